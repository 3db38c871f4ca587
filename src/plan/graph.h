/* The compute buffer: how much the intermediate results of one step take at most.
 *
 * ggml lays the results of a step out before it runs: in the order of the graph each gets the smallest hole
 * that takes it (or its input's place, where the operation can work there), and its place is free again once
 * the last operation that reads it is done. The size of the buffer is what that walk needs at its widest,
 * holes included. So the walk is done here with the shapes of the model: ggml/src/ggml-alloc.c, llama.cpp
 * src/llama-graph.cpp. */
#ifndef PLAN_GRAPH_H
#define PLAN_GRAPH_H

#include "model/model.h"
#include "plan/kv.h"

struct graph_part {
    const struct hparams *hp;
    const struct kv_cache *cache;
    int tokens;           /* of a step */
    int outputs;          /* tokens whose logits are wanted */
    bool output;          /* the part ends with the output matrix */
};
/* Bytes of the buffer for this part of the network on one device. */
uint64_t graph_bytes(const struct graph_part *p);
/* Of these, what is handed in: tokens, positions, masks. */
uint64_t graph_input_bytes(const struct graph_part *p);

#endif
