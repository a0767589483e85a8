"""Jobs whose results are lines of JSON in a file: what is there is not done again."""

import json
from multiprocessing import Pool


def add_missing(path, names, job, tasks, workers):
    "Do the tasks that have no line yet; a task begins with the values of these names in its lines."
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    done = {tuple(line[name] for name in names) for line in map(json.loads, lines)}
    missing = [task for task in tasks if task[: len(names)] not in done]
    with Pool(workers) as pool, open(path, "a") as file:
        for found in pool.imap_unordered(job, missing):
            for line in found:
                print(json.dumps(line, ensure_ascii=False), file=file, flush=True)
