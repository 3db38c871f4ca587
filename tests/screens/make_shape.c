/* make_shape OUT.gguf: the header of a Llama 2 7B in F16, for screens that show a model of that size. */
#include "tests/unit/unit.h"

#include "tests/unit/gguf_build.h"

int main(int argc, char **argv)
{
    if (argc != 2)
        die("usage: make_shape OUT.gguf");
    struct gguf_writer *w = gguf_build_llama(&gguf_llama2_7b, quant_type(QUANT_F16));
    gguf_writer_text(w, "general.name", "Llama 2 7B");
    gguf_build_file(w, argv[1], GGUF_BUILD_CUT);
    return 0;
}
