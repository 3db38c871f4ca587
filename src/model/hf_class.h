/* The classes of checkpoint folders that can be read: what config.json calls them, and what GGUF does. */
#ifndef MODEL_HF_CLASS_H
#define MODEL_HF_CLASS_H

struct hf_class {
    const char *name;             /* architectures[0] of config.json */
    const char *gguf;             /* general.architecture */
    float norm_add;               /* norms are stored less this (Gemma: 1) */
};
/* In order of the table, NULL at the end. */
const struct hf_class *hf_class_at(int i);

#endif
