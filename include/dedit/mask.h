// Masks: grey 8-bit pictures, white = repaint. Made from shapes, chosen from pictures, combined and
// mended. Points are in pixels from the top left corner; pixel (i, j) covers [i, i+1) x [j, j+1).
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "dedit/image.h"

namespace dedit {

// --- files ---------------------------------------------------------------------------------------

/// A mask from a picture (luma times alpha) or from run lengths in JSON as COCO has them, plain or
/// packed; by content, `-` is standard input. Throws Error(kInput).
Image load_mask(const std::string& path);

/// {"size": [height, width], "counts": [...]}: lengths of black and white runs down the columns,
/// black first; grey from 128 on is white.
std::string mask_to_json(const Image& mask);

/// Writes that; the file appears whole or not at all. Throws Error(kOutput).
void save_mask_json(const Image& mask, const std::string& path, const SaveOptions& options = {});

/// White with the mask as its transparency, for tools that keep masks in alpha.
Image mask_to_alpha(const Image& mask);

/// Share of pixels that are not black.
double mask_coverage(const Image& mask);

// --- shapes --------------------------------------------------------------------------------------

struct MaskPoint {
  double x = 0;
  double y = 0;
};

/// 255 inside [x, x+w) x [y, y+h), fading over `feather` pixels inward.
/// Throws Error(kUsage) if the box leaves the picture.
Image box_mask(int width, int height, int x, int y, int w, int h, int feather);

/// Pixels whose centre lies in the ellipse that fills the box, turned clockwise about its centre.
/// Throws Error(kUsage) if it has no pixel in the picture.
Image ellipse_mask(int width, int height, std::array<double, 4> xywh, double degrees);

/// Polygons, filled by the even-odd rule with their outlines.
/// Throws Error(kUsage) if they have no pixel in the picture.
Image polygon_mask(int width, int height, const std::vector<std::vector<MaskPoint>>& polygons);

/// [[x, y], ...], one polygon; [[[x, y], ...], ...]; [[x, y, x, y, ...], ...] as COCO writes; or an
/// object with such a "points", "polygons" or "segmentation". Throws Error(kInput).
std::vector<std::vector<MaskPoint>> load_polygons(const std::string& path);

struct MaskStroke {
  std::vector<MaskPoint> points;
  double radius = 8;
  bool erases = false;  ///< for GrabCut: background
};

/// A list of {"points": [[x, y], ...], "radius": r, "erase": false}, or an object with such
/// "strokes". Throws Error(kInput).
std::vector<MaskStroke> load_strokes(const std::string& path);

/// Round brush strokes in their order.
Image brush_mask(int width, int height, const std::vector<MaskStroke>& strokes);

// --- from pictures -------------------------------------------------------------------------------

enum class ColourSpace {
  kLab,  ///< L 0..100, a and b -128..127 (sRGB, D65)
  kHsv,  ///< H 0..360 degrees, S and V 0..100
};

/// Pixels whose colour lies in low..high in every component; hue wraps where low > high.
Image colour_mask(const Image& picture, ColourSpace space, std::array<double, 3> low,
                  std::array<double, 3> high);

/// Pixels within a distance (CIE 1976, in Lab) of a colour.
Image near_colour_mask(const Image& picture, std::array<uint8_t, 3> rgb, double distance);

/// Pixels with Rec. 601 luma in low..high, 0..255.
Image luminance_mask(const Image& picture, double low, double high);

/// The picture's alpha. Throws Error(kUsage) if it has none.
Image alpha_mask(const Image& picture);

/// The connected region (4 neighbours) around a pixel whose channels differ from it by `tolerance`
/// at most. Throws Error(kUsage) if the pixel is outside the picture.
Image flood_mask(const Image& picture, int x, int y, int tolerance);

/// What GrabCut takes for the thing inside the box (Rother et al. 2004).
/// Throws Error(kUsage) if the box leaves nothing outside.
Image grabcut_box_mask(const Image& picture, int x, int y, int w, int h, int rounds);

/// The same from strokes: on the thing, and with `erases` on what is not it.
Image grabcut_strokes_mask(const Image& picture, const std::vector<MaskStroke>& strokes,
                           int rounds);

/// Ellipses over the faces that a cascade file finds; an empty path is OpenCV's own frontal one.
/// `grow` is a factor on their size. Throws Error(kInput) if the file is missing, Error(kUsage) if
/// there is no face.
Image faces_mask(const Image& picture, const std::string& cascade, double grow);

/// Pixels of which a channel differs by more than `tolerance`, of 255.
/// Throws Error(kUsage) if the sizes differ.
Image difference_mask(const Image& a, const Image& b, int tolerance);

// --- from masks ----------------------------------------------------------------------------------

enum class MaskOp { kUnion, kIntersect, kSubtract };

/// Pixel by pixel: the larger, the smaller, the first less the others. Throws Error(kUsage) if the
/// sizes differ.
Image combine_masks(std::span<const Image> masks, MaskOp op);

Image invert_mask(const Image& mask);

enum class MaskBrush { kDisc, kBox };

/// Every white pixel spreads by `radius` pixels.
Image grow_mask(const Image& mask, int radius, MaskBrush brush);
/// Black spreads by `radius` pixels; the picture's border does not.
Image shrink_mask(const Image& mask, int radius, MaskBrush brush);

enum class FeatherSide { kIn, kOut, kBoth };

/// A linear ramp of `radius` pixels along the outline (of what is >= 128), on one side or half on
/// each. The picture's border is no outline.
Image feather_mask(const Image& mask, int radius, FeatherSide side);

/// Black regions that do not reach the border turn white.
Image fill_holes(const Image& mask);

/// The `count` largest connected regions (8 neighbours) of what is not black.
Image keep_largest(const Image& mask, int count);

/// The outline rounded: a Gaussian of `radius` / 2, cut at one half.
Image smooth_mask(const Image& mask, int radius);

/// White where the mask is `at` or more.
Image threshold_mask(const Image& mask, int at);

/// The picture in 8-bit RGB with `rgb` laid over where the mask is white, at `opacity` 0..1.
Image overlay_mask(const Image& picture, const Image& mask, std::array<uint8_t, 3> rgb,
                   double opacity);

}  // namespace dedit
