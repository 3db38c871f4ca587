#include "ui/glossary.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

static const struct { const char *term, *meaning;
} entries[] = {
    {"bandwidth", "How many bytes a memory can hand over in a second. To write one token a model reads "
                  "nearly all its weights once, so bandwidth divided by the model's size bounds its speed."},
    {"bits per weight", "The average size of one of the model's numbers in the file. The original has 16 or "
                        "32; a level called Q4 has between 4 and 5, because scales are stored beside the "
                        "numbers."},
    {"calibration", "Running sample text through the model to learn which weights matter, and what goes wrong "
                    "when they are rounded, so that it can be made good. Some formats need it; GGUF levels "
                    "profit from it."},
    {"chat template", "The recipe in the file that turns a conversation into the text the model was trained "
                      "on. Without one a runtime has to guess."},
    {"compute buffers", "Memory for results between the layers while the model runs."},
    {"context", "How many tokens of prompt and answer the model can look back on."},
    {"imatrix", "Importance matrix: how strongly each input of each weight matrix is used on sample text. It "
                "helps levels below 4 bits most."},
    {"KL divergence", "How differently two models bet on the next token, averaged over many places in a "
                      "text: 0 means the same bets. It notices changes that perplexity averages away."},
    {"KV cache", "What the model remembers of the context, for every layer. It grows with the context and "
                 "with the number of conversations, and comes on top of the weights."},
    {"level", "A named mixture of types, such as Q4_K_M: 4-bit blocks for most tensors, more bits for the "
              "ones that suffer."},
    {"NUMA", "Memory that is nearer to some processors than to others. A program that reaches across runs "
             "slower."},
    {"perplexity", "How surprised the model is by a text it did not see, as the number of equally likely "
                   "tokens it seems to choose from. Lower is better; compare only on the same text and "
                   "settings."},
    {"quantization", "Storing the model's numbers with fewer bits, in blocks that share a scale. The file "
                     "shrinks and runs faster; some precision is lost."},
    {"same top token", "How often both models would choose the same next token if each took its most likely "
                       "one."},
    {"tokens", "The pieces of words that a model reads and writes; in English about three quarters of a word "
               "each."},
    {"VRAM", "The memory of a graphics card, several times faster than the computer's own. What fits into it "
             "runs fast."},
    {"weights", "The numbers that the model has learnt: the bulk of the file."},
};

const char *glossary_find(const char *term)
{
    for (size_t i = 0; i < ARRAY_LENGTH(entries); i++)
        if (strcmp(entries[i].term, term) == 0)
            return entries[i].meaning;
    die("the glossary lacks '%s'", term);
}

const char *glossary_at(int i, const char **meaning)
{
    if (i < 0 || i >= (int)ARRAY_LENGTH(entries))
        return NULL;
    *meaning = entries[i].meaning;
    return entries[i].term;
}
