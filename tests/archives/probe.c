/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * Holds the whole library, so that its symbols can be looked at: in a module, and in an executable. */
int main(void) { return 0; }
