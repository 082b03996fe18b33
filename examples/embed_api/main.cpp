// Edits a picture from a program: a new picture on the edges of another, with the model that ships.
//   embed_api room.png "a watercolour of a living room" out.png
#include <cstdio>
#include <utility>

#include "dedit/dedit.h"

namespace {

dedit::EditRequest make_request(const char* picture, const char* prompt) {
  dedit::AnnotateResult edges = dedit::annotate("canny", dedit::load_image(picture));
  dedit::ControlUnit unit;
  unit.hint = std::move(edges.map);
  unit.annotator = "canny";  // without a model of its own: the checkpoint's ControlNet for edges
  dedit::EditRequest request;
  request.prompt = prompt;
  request.controls.push_back(std::move(unit));
  request.seeds = {7};
  return request;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: embed_api PICTURE PROMPT OUTPUT\n");
    return 2;
  }
  try {
    const dedit::Model model = dedit::Model::load("");
    dedit::SessionOptions options;
    options.on_step = [](const dedit::Progress& p) {
      std::fprintf(stderr, "step %d of %d\n", p.step, p.steps);
    };
    dedit::Session session(model, std::move(options));
    const dedit::EditResult result = session.run(make_request(argv[1], argv[2]));
    dedit::save_image(result.images.front(), argv[3]);
    return 0;
  } catch (const dedit::Error& error) {
    std::fprintf(stderr, "%s\n%s\n", error.what(), error.hint().c_str());
    return error.exit_code();
  }
}
