"""What EleutherAI's evaluation harness makes of questions: harness.py FOLDER CHECKPOINT

FOLDER holds mmlu.jsonl, arc.jsonl, hellaswag.jsonl and winogrande.jsonl, in the layouts of the published data sets, which
the harness reads with its own tasks. Prints, as JSON, for each of them the log-likelihoods of all choices and the
accuracies."""
import json
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
import lm_eval
import lm_eval.tasks
from lm_eval.models.huggingface import HFLM

PUBLISHED = pathlib.Path(lm_eval.tasks.__file__).parent
TASKS = {"mmlu": "mmlu/default/_default_template_yaml", "arc": "arc/arc_easy.yaml", "hellaswag": "hellaswag/hellaswag.yaml",
         "winogrande": "winogrande/default.yaml"}


def describe(folder, name):
    """The published task, but for where its questions are."""
    lines = ["include: %s" % (PUBLISHED / TASKS[name]), "task: local_%s" % name, "dataset_path: json",
             "dataset_name: null", "dataset_kwargs: {data_files: {test: %s}}" % (folder / (name + ".jsonl")), "num_fewshot: 0",
             "training_split: null", "validation_split: null", "fewshot_split: null", "test_split: test"]
    if name == "mmlu":
        lines.append(r'description: "The following are multiple choice questions (with answers) about plays.\n\n"')
    (folder / ("%s.yaml" % name)).write_text("\n".join(lines))


def main():
    folder, checkpoint = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    for name in TASKS:
        describe(folder, name)
    model = HFLM(pretrained=checkpoint, dtype="float32", device="cpu", batch_size=8)
    manager = lm_eval.tasks.TaskManager(include_path=str(folder), include_defaults=False)
    r = lm_eval.simple_evaluate(model=model, tasks=["local_" + name for name in TASKS], task_manager=manager,
                                log_samples=True, bootstrap_iters=0)
    out = {}
    for name in TASKS:
        samples = sorted(r["samples"]["local_" + name], key=lambda s: s["doc_id"])
        scores = r["results"]["local_" + name]
        out[name] = {"ln_p": [[float(x[0][0]) for x in s["resps"]] for s in samples],
                     "acc": scores["acc,none"], "acc_norm": scores.get("acc_norm,none")}
    print(json.dumps(out))


main()
