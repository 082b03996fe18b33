// Picture, mask and maps of one source come to lie on the same cells, whatever the crop, the size
// and the rule.
#include "pipeline/placement.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "io/mask_levels.h"
#include "io/pillow_resize.h"
#include "pipeline/plan.h"

#include "dedit/control.h"
#include "dedit/info.h"
#include "dedit/lint.h"

namespace dedit {
namespace {

constexpr int kCell = 8;

struct Cell {
  int column = 0, row = 0;
  bool operator==(const Cell&) const = default;
};

/// Cells from the first to the last corner: those that show the source. Beyond them only its edge
/// is repeated.
using Corners = std::vector<Cell>;

template <class Value>
Cell brightest(const Corners& corners, const Value& value_of) {
  Cell best{-1, -1};
  double most = 0;
  for (int row = corners.front().row; row <= corners.back().row; ++row) {
    for (int column = corners.front().column; column <= corners.back().column; ++column) {
      const double value = value_of(column, row);
      if (value > most) most = value, best = {column, row};
    }
  }
  return best;
}

/// The cell that holds most of what differs from black.
Cell brightest(const Corners& corners, const Image& image) {
  return brightest(corners, [&](int column, int row) {
    double sum = 0;
    for (int y = row * kCell; y < (row + 1) * kCell; ++y) {
      for (int x = column * kCell; x < (column + 1) * kCell; ++x) {
        sum += image.row<uint8_t>(y)[image.channels * x];
      }
    }
    return sum;
  });
}

Cell brightest(const Corners& corners, const MaskLevel& level) {
  return brightest(corners, [&](int column, int row) {
    return level.values[size_t(row * level.columns + column)];
  });
}

/// A source, black but for the pixels whose centres come to lie in a cell of the result.
Image marked(const Geometry& g, const Cell& cell, int channels) {
  Image image(g.source_width, g.source_height, channels);
  const auto is_in = [](double v, int index) {
    return v >= index * kCell && v < (index + 1) * kCell;
  };
  for (int y = g.crop.y; y < g.crop.y + g.crop.height; ++y) {
    for (int x = g.crop.x; x < g.crop.x + g.crop.width; ++x) {
      if (!is_in(g.x_of(x + 0.5), cell.column) || !is_in(g.y_of(y + 0.5), cell.row)) continue;
      std::fill_n(image.row<uint8_t>(y) + channels * x, channels, uint8_t{255});
    }
  }
  return image;
}

/// The first and last whole cells that show the source.
Corners corners_of(const Geometry& g) {
  const auto first = [](int low) { return (std::max(0, low) + kCell - 1) / kCell; };
  const auto last = [](int low, int side, int frame) {
    return std::min(low + side, frame) / kCell - 1;
  };
  const int x0 = first(g.left), x1 = last(g.left, g.scaled_width, g.width);
  const int y0 = first(g.top), y1 = last(g.top, g.scaled_height, g.height);
  if (x0 > x1 || y0 > y1) return {};
  return {{x0, y0}, {x1, y0}, {x0, y1}, {x1, y1}};
}

EditRequest random_request(std::mt19937& random) {
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  EditRequest r;
  r.image = Image(draw(60, 260), draw(60, 260), 3);
  Rect crop{0, 0, r.image->width, r.image->height};
  if (draw(0, 3) > 0) {
    crop.width = draw(40, r.image->width);
    crop.height = draw(40, r.image->height);
    crop.x = draw(0, r.image->width - crop.width);
    crop.y = draw(0, r.image->height - crop.height);
    r.crop = crop;
  }
  r.fit = std::array{Fit::kExact, Fit::kStretch, Fit::kCrop, Fit::kFill}[size_t(draw(0, 3))];
  r.compat = std::array{Compat::kOwn, Compat::kWebui, Compat::kComfy}[size_t(draw(0, 2))];
  const double scale = draw(50, 220) / 100.0;
  const double stretch = r.fit == Fit::kExact ? 1 : draw(70, 140) / 100.0;
  r.width = std::max(24, int(crop.width * scale));
  if (r.fit != Fit::kExact) r.height = std::max(24, int(crop.height * scale * stretch));
  r.scheduler = "ddim";
  return r;
}

TEST(Placement, CornerMarksOfPictureMaskAndMapsLandOnTheSameCells) {
  std::mt19937 random(20240607);
  const Model::Impl model;
  int n_marks = 0;
  for (int i = 0; i < 50; ++i) {
    EditRequest r = random_request(random);
    const Geometry g = make_plan(model, r).geometry;
    const Corners corners = corners_of(g);
    for (const Cell& cell : corners) {
      const std::string where = g.text() + " " + std::to_string(int(r.compat)) + ", cell " +
                                std::to_string(cell.column) + "," + std::to_string(cell.row);
      r.image = marked(g, cell, 3);
      r.mask = marked(g, cell, 1);
      ControlUnit given;
      given.hint = *r.image;
      given.mask = r.mask;
      r.controls = {given, annotate_control(r, "threshold").unit};
      const EditPlan plan = make_plan(model, r);
      EXPECT_EQ(brightest(corners, *plan.image), cell) << "picture " << where;
      EXPECT_EQ(brightest(corners, *plan.mask8), cell) << "mask " << where;
      for (const ControlUnit& unit : r.controls) {
        const PlacedControl placed =
            place_control(r, unit, plan.geometry, {plan.width, plan.height}, kCell);
        EXPECT_EQ(brightest(corners, placed.hint), cell)
            << (unit.is_fitted ? "annotated " : "map ") << where;
        if (!placed.mask8) continue;
        const auto levels =
            mask_levels(*placed.mask8, plan.padded_width, plan.padded_height, kCell, 1);
        EXPECT_EQ(brightest(corners, levels[0]), cell) << "control's mask " << where;
      }
      ++n_marks;
    }
  }
  EXPECT_GT(n_marks, 180);
}

TEST(Placement, TheMapIsMadeAtTheSizeItIsUsedAt) {
  EditRequest r;
  r.image = Image(64, 48, 3);
  for (int y = 0; y < 48; ++y) {
    std::fill_n(r.image->row<uint8_t>(y) + 3 * 20, 3 * 44, uint8_t{255});
  }
  r.width = 96;
  const AnnotatedControl made = annotate_control(r, "canny");
  EXPECT_EQ(made.unit.hint.width, 96);
  EXPECT_EQ(made.unit.hint.height, 72);
  EXPECT_TRUE(made.unit.is_fitted);
  // One line, of the scaled picture's edge: not the enlarged line of the small one.
  int n_white = 0;
  for (int x = 0; x < 96; ++x) n_white += made.unit.hint.row<uint8_t>(30)[3 * x] == 255;
  EXPECT_EQ(n_white, 1);
  EXPECT_EQ(made.notes.back(), "canny: map of 96x72");
}

TEST(Placement, AMapOfAnotherAspectIsCutOffWhereNoFitWasChosen) {
  EditRequest r;
  r.width = r.height = 32;
  ControlUnit unit;
  unit.hint = Image(64, 32, 3);
  unit.mask = Image(64, 32, 1);
  for (int y = 0; y < 32; ++y) {
    std::fill_n(unit.hint.row<uint8_t>(y) + 3 * 16, 3 * 32, uint8_t{255});
    std::fill_n(unit.mask->row<uint8_t>(y) + 16, 32, uint8_t{255});
  }
  r.controls = {unit};
  EXPECT_EQ(lint_controls(r).size(), 2u);
  const auto place = [&] { return place_control(r, r.controls[0], {}, {32, 32}, kCell); };
  const auto is_white = [](const Image& image) {
    return std::all_of(image.data.begin(), image.data.end(),
                       [](std::byte b) { return b == std::byte{255}; });
  };
  EXPECT_EQ(place().geometry.left, -16);
  EXPECT_TRUE(is_white(place().hint));  // the middle half, at its own scale
  EXPECT_TRUE(is_white(*place().mask8));
  r.controls[0].fit = Fit::kStretch;
  EXPECT_TRUE(lint_controls(r).empty());
  EXPECT_FALSE(is_white(place().hint));
  r.controls[0].fit = Fit::kFill;
  EXPECT_EQ(place().geometry.top, 8);
  r.controls[0].fit = Fit::kExact;
  EXPECT_THROW(place(), Error);
  r.controls[0].fit.reset();
  r.compat = Compat::kDiffusers;  // which stretches
  EXPECT_NE(lint_controls(r).at(0).find("stretched"), std::string::npos);
  r.compat = Compat::kOwn;
  r.controls[0].hint = Image(64, 64, 3);
  r.controls[0].mask.reset();
  EXPECT_TRUE(lint_controls(r).empty());
}

TEST(Placement, ByDiffusersRuleTheMapIsMadeOfTheCropAndStretched) {
  EditRequest r;
  r.image = Image(64, 48, 3);
  for (int y = 0; y < 48; ++y) {
    std::fill_n(r.image->row<uint8_t>(y) + 3 * 20, 3 * 44, uint8_t{255});
  }
  r.compat = Compat::kDiffusers;
  r.crop = Rect{10, 0, 33, 48};
  r.width = 96;
  const ControlUnit unit = annotate_control(r, "canny").unit;
  EXPECT_FALSE(unit.is_fitted);
  EXPECT_EQ(unit.hint.width, 33);
  EXPECT_EQ(unit.hint.data, annotate("canny", cut(*r.image, *r.crop)).map.data);
  const Geometry picture = picture_geometry(r, {96, 40}, kCell);
  PlacedControl placed = place_control(r, unit, picture, {96, 40}, kCell);
  EXPECT_EQ(placed.hint.data, resize_lanczos(unit.hint, 96, 40).data);
  ControlUnit given;
  given.hint = *r.image;  // of the picture's size: cropped with it
  given.mask = Image(64, 48, 1);
  placed = place_control(r, given, picture, {96, 40}, kCell);
  EXPECT_EQ(placed.hint.data, resize_lanczos(cut(*r.image, *r.crop), 96, 40).data);
  EXPECT_EQ(placed.mask8->width, 96);
}

TEST(Placement, ANetworkSeesTheCropAtTheResultsSize) {
  EditRequest r;
  r.image = Image(64, 64, 3);
  std::fill_n(r.image->row<uint8_t>(0), 3 * 64 * 20, uint8_t{255});
  r.crop = Rect{0, 8, 64, 48};
  r.width = 96;
  const AnnotatedControl made =
      annotate_control(r, "midas", {}, {{"annotator-model", DEDIT_TEST_DATA "/neural/midas.onnx"}});
  EXPECT_EQ(made.notes.back(), "midas: map of 96x72");
  EXPECT_EQ(made.unit.hint.height, 72);
  EXPECT_EQ(made.unit.hashes.at("annotator-model").size(), 64u);
}

TEST(Placement, AnnotationSeesOnlyTheCrop) {
  EditRequest r;
  r.image = Image(64, 64, 3);
  std::fill_n(r.image->row<uint8_t>(0), 3 * 64 * 20, uint8_t{255});
  r.crop = Rect{0, 30, 64, 32};
  const ControlUnit unit = annotate_control(r, "canny").unit;
  EXPECT_EQ(unit.hint.height, 32);
  for (const std::byte b : unit.hint.data) ASSERT_EQ(b, std::byte{0});
  r.crop->y = 10;
  const ControlUnit edge = annotate_control(r, "canny").unit;
  EXPECT_NE(edge.hint.data, unit.hint.data);
}

TEST(Placement, FilledBordersHaveNoEdges) {
  EditRequest r;
  r.image = Image(64, 32, 3);
  for (int y = 0; y < 32; ++y) {
    std::fill_n(r.image->row<uint8_t>(y) + 3 * 20, 3 * 20, uint8_t{255});
  }
  r.width = r.height = 64;
  r.fit = Fit::kFill;
  for (const Compat compat : {Compat::kOwn, Compat::kWebui}) {
    r.compat = compat;
    const ControlUnit unit = annotate_control(r, "canny").unit;
    ASSERT_EQ(unit.hint.height, 64);
    for (int y = 0; y < 64; ++y) {
      const uint8_t* row = unit.hint.row<uint8_t>(y);
      const bool has_edge = std::any_of(row, row + 3 * 64, [](uint8_t v) { return v != 0; });
      EXPECT_EQ(has_edge, y >= 16 && y < 48) << y;
    }
  }
}

TEST(Placement, SizesFollowTheCrop) {
  EditRequest r;
  r.image = Image(100, 80, 3);
  r.crop = Rect{10, 10, 60, 30};
  EXPECT_EQ(result_size(r, 512).width, 60);
  r.height = 60;
  EXPECT_EQ(result_size(r, 512).width, 120);
  r = EditRequest();
  EXPECT_EQ(result_size(r, 512).height, 512);
  r.controls.resize(1);
  r.controls[0].hint = Image(33, 44, 3);
  EXPECT_EQ(result_size(r, 512).height, 44);
}

}  // namespace
}  // namespace dedit
