#include "io/plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include <opencv2/imgproc.hpp>

#include "io/mat.h"

namespace dedit {
namespace {

// RGB; Okabe and Ito's palette, which colour-blind readers tell apart.
const cv::Scalar kColours[] = {{0, 114, 178}, {213, 94, 0},   {0, 158, 115}, {204, 121, 167},
                               {230, 159, 0}, {86, 180, 233}, {0, 0, 0},     {148, 103, 60}};
const cv::Scalar kInk(40, 40, 40), kGrid(225, 225, 225), kLevel(150, 150, 150);

cv::Scalar colour(size_t i) {
  return kColours[i % std::size(kColours)];
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void cover(double v) {
    if (!std::isfinite(v)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  /// Never empty.
  void settle() {
    if (!(low <= high)) low = 0, high = 1;
    if (low == high) low -= 0.5, high += 0.5;
  }
  double share(double v) const { return (v - low) / (high - low); }
};

double shown(const Panel& panel, double y) {
  return panel.is_log ? std::log10(y) : y;  // not finite for 0, and then left out
}

/// A round distance between about five ticks: 1, 2 or 5 times a power of ten.
double tick_distance(const Range& range) {
  const double rough = (range.high - range.low) / 5;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
}

std::string tick_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", std::abs(value) < 1e-12 ? 0.0 : value);
  return text;
}

class Canvas {
 public:
  Canvas(cv::Mat& image, double scale) : image_(image), scale_(scale) {}

  void text(const std::string& s, double x, double y, double anchor, const cv::Scalar& c) {
    int baseline = 0;
    const cv::Size size = cv::getTextSize(s, cv::FONT_HERSHEY_SIMPLEX, 0.45 * scale_, 1, &baseline);
    const cv::Point at(int(x - anchor * size.width), int(y + size.height / 2.0));
    cv::putText(image_, s, at, cv::FONT_HERSHEY_SIMPLEX, 0.45 * scale_, c, 1, cv::LINE_AA);
  }
  double width_of(const std::string& s) const {
    int baseline = 0;
    return cv::getTextSize(s, cv::FONT_HERSHEY_SIMPLEX, 0.45 * scale_, 1, &baseline).width;
  }
  void line(cv::Point2d a, cv::Point2d b, const cv::Scalar& c, int thickness = 1) {
    constexpr int kShift = 4;  // sixteenths of a pixel
    const auto fixed = [](cv::Point2d p) {
      return cv::Point(int(std::lround(p.x * 16)), int(std::lround(p.y * 16)));
    };
    cv::line(image_, fixed(a), fixed(b), c, thickness, cv::LINE_AA, kShift);
  }
  void dot(cv::Point2d p, const cv::Scalar& c) {
    cv::circle(image_, cv::Point(int(std::lround(p.x * 16)), int(std::lround(p.y * 16))),
               int(2.4 * scale_ * 16), c, cv::FILLED, cv::LINE_AA, 4);
  }
  double scale() const { return scale_; }

 private:
  cv::Mat& image_;
  double scale_;
};

/// One panel in its frame.
class PanelDrawing {
 public:
  PanelDrawing(Canvas& canvas, const Panel& panel, cv::Rect2d frame)
      : canvas_(canvas), panel_(panel), frame_(frame) {
    for (const Curve& curve : panel.curves) {
      for (size_t i = 0; i < curve.x.size(); ++i) {
        if (!std::isfinite(shown(panel, curve.y[i]))) continue;
        x_.cover(curve.x[i]);
        y_.cover(shown(panel, curve.y[i]));
      }
    }
    for (double level : panel.levels) y_.cover(shown(panel, level));
    x_.settle();
    y_.settle();
  }

  void draw() {
    draw_grid();
    for (double level : panel_.levels) {
      const double y = place_y(shown(panel_, level));
      canvas_.line({frame_.x, y}, {frame_.br().x, y}, kLevel, 2);
    }
    for (size_t i = 0; i < panel_.curves.size(); ++i) draw_curve(panel_.curves[i], colour(i));
  }

 private:
  double place_x(double x) const { return frame_.x + x_.share(x) * frame_.width; }
  double place_y(double y) const { return frame_.br().y - y_.share(y) * frame_.height; }

  void draw_grid() {
    const double s = canvas_.scale();
    const double dx = tick_distance(x_);
    for (double t = std::ceil(x_.low / dx) * dx; t <= x_.high + dx * 1e-9; t += dx) {
      canvas_.line({place_x(t), frame_.y}, {place_x(t), frame_.br().y}, kGrid);
      canvas_.text(tick_text(t), place_x(t), frame_.br().y + 12 * s, 0.5, kInk);
    }
    const double dy = panel_.is_log ? std::max(1.0, tick_distance(y_)) : tick_distance(y_);
    for (double t = std::ceil(y_.low / dy) * dy; t <= y_.high + dy * 1e-9; t += dy) {
      canvas_.line({frame_.x, place_y(t)}, {frame_.br().x, place_y(t)}, kGrid);
      const std::string label = tick_text(panel_.is_log ? std::pow(10, t) : t);
      canvas_.text(label, frame_.x - 6 * s, place_y(t), 1, kInk);
    }
    canvas_.line({frame_.x, frame_.y}, {frame_.x, frame_.br().y}, kInk);
    canvas_.line({frame_.x, frame_.br().y}, frame_.br(), kInk);
    canvas_.text(panel_.title, frame_.x, frame_.y - 12 * s, 0, kInk);
    canvas_.text(panel_.x_label, frame_.br().x, frame_.br().y + 28 * s, 1, kInk);
  }

  void draw_curve(const Curve& curve, const cv::Scalar& c) {
    bool has_last = false;
    cv::Point2d last;
    for (size_t i = 0; i < curve.x.size(); ++i) {
      const double y = shown(panel_, curve.y[i]);
      const bool is_shown = std::isfinite(y);
      const cv::Point2d at(place_x(curve.x[i]), is_shown ? place_y(y) : 0);
      if (is_shown && has_last) canvas_.line(last, at, c, std::max(1, int(1.5 * canvas_.scale())));
      if (is_shown && curve.has_marks) canvas_.dot(at, c);
      has_last = is_shown;
      last = at;
    }
  }

  Canvas& canvas_;
  const Panel& panel_;
  cv::Rect2d frame_;
  Range x_, y_;
};

/// Names in their colours, in as many lines as they need. Returns the height used.
double draw_legend(Canvas& canvas, const std::vector<Curve>& curves, double width) {
  const double s = canvas.scale(), row = 20 * s;
  double x = 60 * s, y = 18 * s;
  for (size_t i = 0; i < curves.size(); ++i) {
    const double needed = canvas.width_of(curves[i].name) + 50 * s;
    if (x + needed > width && x > 60 * s) x = 60 * s, y += row;
    canvas.line({x, y}, {x + 20 * s, y}, colour(i), std::max(2, int(3 * s)));
    canvas.text(curves[i].name, x + 26 * s, y, 0, kInk);
    x += needed;
  }
  return y + row;
}

}  // namespace

Image draw_panels(const std::vector<Panel>& panels, int width, int height) {
  Image image(width, height, 3);
  cv::Mat mat = mat_of(image);
  mat.setTo(cv::Scalar(255, 255, 255));
  const double s = std::max(0.6, std::min(width / 1200.0, height / 900.0));
  Canvas canvas(mat, s);
  const double top = panels.empty() ? 0 : draw_legend(canvas, panels[0].curves, width);
  const size_t columns = std::min<size_t>(2, std::max<size_t>(1, panels.size()));
  const size_t n_rows = (panels.size() + columns - 1) / columns;
  for (size_t i = 0; i < panels.size(); ++i) {
    const double w = double(width) / double(columns), h = (height - top) / double(n_rows);
    const cv::Rect2d frame(double(i % columns) * w + 60 * s, top + double(i / columns) * h + 30 * s,
                           w - 80 * s, h - 70 * s);
    PanelDrawing(canvas, panels[i], frame).draw();
  }
  return image;
}

}  // namespace dedit
