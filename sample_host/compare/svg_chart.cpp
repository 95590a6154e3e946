// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The comparison as an SVG picture: two curves with their names at their ends. Its colours are of middle brightness and
// it has no background, so that it is readable on light and dark pages alike; a picture in a page cannot know the
// page's colour.
#include <algorithm>
#include <array>
#include <cmath>
#include <iomanip>
#include <sstream>

#include "compare/compare.hpp"
#include "format.hpp"

namespace sample_host {
namespace {

constexpr int kWidth = 800;
constexpr int kHeight = 370;
// The field in which the curves are.
constexpr double kMargin = 16;
constexpr double kLeft = 70;
constexpr double kRight = 660;
constexpr double kTop = 72;
constexpr double kBottom = 316;

constexpr const char* kText = "#7a7f87";
constexpr const char* kCLibraryColour = "#d9582b";
constexpr const char* kBerthColour = "#1a8fa0";

double mebibytes(std::size_t bytes) { return static_cast<double>(bytes) / (1024 * 1024); }

// 1, 2 or 5 times a power of ten, so that there are about as many steps.
double step_of(double range, double steps) {
  const double raw = range / steps;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw) return factor * power;
  }
  return 10 * power;
}

class Picture {
 public:
  explicit Picture(const Comparison& comparison) : comparison_(comparison) {
    const auto highest = [](const Curve& curve) { return *std::max_element(curve.begin(), curve.end()); };
    const double top = mebibytes(std::max(highest(comparison.c_library), highest(comparison.berth)));
    y_step_ = step_of(top, 5);
    y_range_ = std::ceil(top / y_step_) * y_step_;
    x_range_ = static_cast<double>(comparison.cycles);
    x_step_ = std::max(step_of(x_range_, 5), 1.0);
    out_ << std::fixed << std::setprecision(1);
  }

  std::string draw() {
    begin();
    draw_grid();
    draw_curve(comparison_.c_library, kCLibraryColour);
    draw_curve(comparison_.berth, kBerthColour);
    draw_names();
    out_ << "</svg>\n";
    return out_.str();
  }

 private:
  double x_of(double cycle) const { return kLeft + cycle / x_range_ * (kRight - kLeft); }
  double y_of(double value) const { return kBottom - value / y_range_ * (kBottom - kTop); }

  // `style`: attributes, each with a space before it.
  void text(double x, double y, const std::string& style, const std::string& words) {
    out_ << "<text x=\"" << x << "\" y=\"" << y << "\"" << style << ">" << words << "</text>\n";
  }

  void begin() {
    out_ << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << kWidth << "\" height=\"" << kHeight
         << "\" viewBox=\"0 0 " << kWidth << ' ' << kHeight
         << "\" role=\"img\" font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" "
            "font-size=\"14\" fill=\""
         << kText << "\">\n<title>Resident memory of a plugin host, with and without Berth</title>\n";
    text(kMargin, 24, " font-size=\"17\" font-weight=\"600\"", "Resident memory of a host, all plugins unloaded");
    text(kMargin, 46, "",
         "In every cycle five plugins are loaded, work on a text and are unloaded; one forgets its blocks.");
  }

  void draw_grid() {
    for (double value = 0; value <= y_range_ + y_step_ / 2; value += y_step_) {
      const double y = y_of(value);
      out_ << "<line x1=\"" << kLeft << "\" y1=\"" << y << "\" x2=\"" << kRight << "\" y2=\"" << y << "\" stroke=\""
           << kText << "\" stroke-opacity=\"" << (value == 0 ? 0.9 : 0.3) << "\"/>\n";
      std::ostringstream number;
      number << value << (value + y_step_ / 2 > y_range_ ? " MiB" : "");
      text(kLeft - 8, y + 5, " text-anchor=\"end\"", number.str());
    }
    for (double cycle = 0; cycle <= x_range_; cycle += x_step_) {
      text(x_of(cycle), kBottom + 20, " text-anchor=\"middle\"", grouped(static_cast<std::uint64_t>(cycle)));
    }
    text((kLeft + kRight) / 2, kBottom + 42, " text-anchor=\"middle\"", "cycles of load, work, unload");
  }

  void draw_curve(const Curve& curve, const char* colour) {
    constexpr std::size_t kMostPoints = 300;
    const std::size_t last = curve.size() - 1;
    const std::size_t points = std::min(last, kMostPoints);
    out_ << "<polyline fill=\"none\" stroke=\"" << colour
         << "\" stroke-width=\"2.5\" stroke-linejoin=\"round\" points=\"";
    for (std::size_t i = 0; i <= points; i++) {
      const std::size_t at = i * last / points;
      out_ << x_of(static_cast<double>(at)) << ',' << y_of(mebibytes(curve[at])) << (i < points ? " " : "\"/>\n");
    }
  }

  // Beside the ends of the curves; where these are close, far enough apart to be read.
  void draw_names() {
    constexpr double kApart = 42;
    struct Name {
      const char* words;
      const Curve& curve;
      const char* colour;
      double y;
    };
    std::array names{Name{"C library", comparison_.c_library, kCLibraryColour, 0},
                     Name{"Berth", comparison_.berth, kBerthColour, 0}};
    for (Name& name : names) name.y = y_of(mebibytes(name.curve.back()));
    auto& upper = names[0].y <= names[1].y ? names[0] : names[1];
    auto& lower = names[0].y <= names[1].y ? names[1] : names[0];
    upper.y = std::min(upper.y, kBottom - 4 - kApart);
    lower.y = std::min(std::max(lower.y, upper.y + kApart), kBottom - 4);
    for (const Name& name : names) {
      const std::string colour = std::string(" fill=\"") + name.colour + "\"";
      text(kRight + 10, name.y, colour + " font-weight=\"700\"", name.words);
      text(kRight + 10, name.y + 18, colour, bytes_text(name.curve.back()));
    }
  }

  const Comparison& comparison_;
  std::ostringstream out_;
  double x_range_ = 1, x_step_ = 1, y_range_ = 1, y_step_ = 1;
};

}  // namespace

std::string svg_chart(const Comparison& comparison) { return Picture(comparison).draw(); }

}  // namespace sample_host
