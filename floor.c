#include <stdio.h>
#include <time.h>
static double now(){struct timespec t;clock_gettime(CLOCK_THREAD_CPUTIME_ID,&t);return t.tv_sec*1e9+t.tv_nsec;}
static char b[64];
__attribute__((noinline)) void* A(void*h,size_t n){asm volatile("");return b;}
__attribute__((noinline)) void F(void*h,void*n){asm volatile("");}
struct{void*(*volatile a)(void*,size_t);void(*volatile f)(void*,void*);}x={A,F};
int main(){for(int r=0;r<3;r++){double t=now();for(int i=0;i<50000000;i++){void*p=x.a(&x,64);*(volatile char*)p=1;x.f(&x,p);}printf("floor %.2f\n",(now()-t)/5e7);}}
