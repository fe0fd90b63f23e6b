"""Write an archive as large and as irregular as PTB-XL from the records of a smaller one."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from common import size_mib

from ecgcore import labels
from ecgcore.data import GAIN, Archive, Store, encode_record, open_store, to_adu

N_RECORDS, N_PATIENTS, N_AF = 21799, 18869, 1514
COUNTS = {"NORM": 9514, "MI": 5469, "STTC": 5235, "CD": 4898, "HYP": 2649}
"""Records of PTB-XL 1.0.3 with AFIB and with each superclass, as published on PhysioNet."""
ALONE = {"NORM": 9069, "MI": 2532, "STTC": 2400, "CD": 1708, "HYP": 535, "": 411}
SEVERAL = {4: 157, 3: 919, 2: 4068}
"""Records of PTB-XL 1.0.3 with one superclass or none, and with several (Wagner et al., Sci. Data
7:154, 2020; PhysioNet). They add up to :data:`COUNTS`."""
FOLD_SIZES = [*[17418 / 8] * 8, 2183, 2198]
"""Records in folds 1-8, 9 and 10 of PTB-XL 1.0.3."""
SHARE_300 = 0.013  # share of ages given as 300, which in PTB-XL means over 89 years
LIKELIHOODS = (100.0, 80.0, 50.0, 35.0, 15.0, 0.0)
NOISE_MV, LEAST_AF, N_TEMPLATES = 0.01, 20, 200


def superclass_sets() -> list[tuple[str, ...]]:
    """Return the superclasses of each of 21,799 records, with the published counts.

    Which classes occur together is assumed: NORM only with CD, the rest to match the counts.
    """
    sets = [(name,) if name else () for name, n in ALONE.items() for _ in range(n)]
    left = Counter({c: COUNTS[c] - ALONE[c] for c in labels.SUPERCLASSES})
    n_norm = left.pop("NORM")
    sets += [("NORM", "CD")] * n_norm
    left["CD"] -= n_norm
    for size, n in SEVERAL.items():
        for _ in range(n - (n_norm if size == 2 else 0)):
            sets.append(tuple(name for name, _ in left.most_common(size)))
            left.subtract(sets[-1])
    return sets


def draw_table(source: Archive | Store, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the archive's database; ``template`` is the row of ``source`` with the signals."""
    all_sets = superclass_sets()
    sets = [all_sets[i] for i in rng.permutation(N_RECORDS)[:n]]
    others = [k for k, names in enumerate(sets) if "NORM" not in names]
    in_af = set(rng.permutation(others)[: max(LEAST_AF, round(N_AF * n / N_RECORDS))].tolist())
    classes, statements = labels.superclasses(source.table, source.statements), source.statements
    af = source.table["scp_codes"].map(lambda codes: "AFIB" in codes).to_numpy()
    pools = {name: np.flatnonzero(classes[name].to_numpy() & ~af) for name in classes}
    codes_of = {c: statements.index[statements["diagnostic_class"] == c][:4] for c in classes}
    templates, codes = [], []
    for k, names in enumerate(sets):
        pool = np.flatnonzero(af) if k in in_af else pools[names[0]] if names else []
        templates.append(int(rng.choice(pool if len(pool) else len(af))))
        statement = {str(rng.choice(codes_of[c])): float(rng.choice(LIKELIHOODS)) for c in names}
        codes.append(str({**statement, "AFIB" if k in in_af else "SR": 0.0}))
    patient, fold = draw_patients(n, rng)
    ids = np.arange(1, n + 1)
    table = source.table.iloc[templates].reset_index(drop=True)
    table = table.assign(scp_codes=codes, patient_id=patient, strat_fold=fold, template=templates)
    for part, hz in (("lr", 100), ("hr", 500)):
        stems = [f"records{hz}/{i // 1000 * 1000:05d}/{i:05d}_{part}" for i in ids]
        table[f"filename_{part}"] = stems
    table.insert(0, "ecg_id", ids)
    table.loc[rng.random(n) < SHARE_300, "age"] = 300.0
    return table


def draw_patients(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return patient and fold of each record; a patient is in only one fold."""
    n_patients = round(n * N_PATIENTS / N_RECORDS)
    again = rng.integers(0, n_patients, n - n_patients)
    patient = rng.permutation(np.concatenate([np.arange(n_patients), again]))
    ends = np.cumsum(np.bincount(patient)) - 0.5
    limits = np.cumsum(FOLD_SIZES)[:-1] / np.sum(FOLD_SIZES) * n
    return patient + 1, (1 + np.searchsorted(limits, ends))[patient]


def write_archive(source: Archive | Store, to: Path, n: int, seed: int = 1) -> None:
    """Write the archive: signals of ``source`` in int16, each with different noise."""
    rng = np.random.default_rng(seed)
    table = draw_table(source, n, rng)
    pool = np.rint(rng.normal(0, NOISE_MV * GAIN, 2**22)).astype(np.int16)
    for hz, column in ((100, "filename_lr"), (500, "filename_hr")):
        adu = to_adu(np.nan_to_num(source.signals(hz)).clip(-30, 30))
        for folder in {(to / name).parent for name in table[column]}:
            folder.mkdir(parents=True)
        size = 12 * 10 * hz
        starts = rng.integers(0, len(pool) - size, n)
        for name, template, start in zip(table[column], table["template"], starts, strict=True):
            noise = pool[start : start + size].reshape(12, -1)
            content = encode_record(Path(name).name, adu[template] + noise, hz)
            for suffix, part in content.items():
                Path(f"{to / name}{suffix}").write_bytes(part)
    source.statements.rename_axis("").to_csv(to / "scp_statements.csv")
    (to / "RECORDS").write_text("\n".join([*table["filename_lr"], *table["filename_hr"], ""]))
    table.drop(columns="template").to_csv(to / "ptbxl_database.csv", index=False)


def make_archive(templates: str, to: Path, n: int) -> dict[str, float]:
    """Write the archive, all or nothing; without ``templates``, from simulated records."""
    if not templates:
        from ecgsim import simulate_archive

        templates = str(simulate_archive(to.with_name("templates"), n_records=N_TEMPLATES))
    is_store, partial = Path(templates, "store.json").exists(), to.with_name("archive.partial")
    shutil.rmtree(partial, ignore_errors=True)
    write_archive(open_store(templates) if is_store else Archive(templates), partial, n)
    partial.rename(to)
    return {"disk_mib": size_mib(to)}
