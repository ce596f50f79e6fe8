"""counters.py - what ncu counts in the kernels: sectors a request, issue slots, bytes."""
import csv

OPERATORS = ("forward", "fused_forward", "norm_forward", "attention_forward", "fused_backward",
             "norm_backward", "attention_backward", "embedding_backward", "embedding_forward")
DTYPES = "F32,BF16"
METRICS = {
    "gpu__time_duration.sum": "ns",
    "l1tex__average_t_sectors_per_request_pipe_lsu_mem_global_op_ld.ratio": "sectors a load",
    "l1tex__average_t_sectors_per_request_pipe_lsu_mem_global_op_st.ratio": "sectors a store",
    "smsp__issue_active.avg.pct_of_peak_sustained_active": "% of issue slots",
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "% of memory",
    "dram__bytes_read.sum": "bytes read",
    "dram__bytes_write.sum": "bytes written",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "% of warps",
    "smsp__inst_executed.sum": "instructions",
    "launch__registers_per_thread": "registers",
}

SHOWN_KERNELS, SHOWN_METRICS = 4, 5  # of an operator, in the summary


def make_command(bench, n):
    """Each launch of another shape once; the clocks stay what they are."""
    return ["ncu", "--clock-control", "none", "--csv", "--page", "raw", "--print-units", "base",
            "--filter-mode", "per-launch-config", "--launch-count", "1",
            "--metrics", ",".join(METRICS), *bench, "--dtypes", DTYPES, "--n", n,
            "--repeats", "3"]


def read_rows(text):
    """The kernels in ncu's table, which stands behind what the program itself has said."""
    start = text.find('"ID"')
    if start < 0:
        return []
    lines = [line for line in text[start:].splitlines() if line.startswith('"')]
    rows = []
    for line in csv.DictReader(lines):
        if not (line.get("ID") or "").isdigit():  # the row of units
            continue
        row = {"kernel": line.get("Kernel Name"), "grid": line.get("Grid Size"),
               "block": line.get("Block Size")}
        for metric in METRICS:
            value = (line.get(metric) or "").replace(",", "")
            try:
                row[metric] = float(value)
            except ValueError:
                row[metric] = None
        rows.append(row)
    return rows


def format_longest(rows):
    """A line for each of the kernels that take longest, with the first figures."""
    time = next(iter(METRICS))
    lines = []
    for row in sorted(rows, key=lambda row: -(row[time] or 0.0))[:SHOWN_KERNELS]:
        figures = ", ".join(f"{row[metric]:.4g} {name}" for metric, name in
                            list(METRICS.items())[:SHOWN_METRICS] if row[metric] is not None)
        lines.append(f"{row['kernel'][:60]} {row['grid']}: {figures}")
    return lines


def judge(status, text):
    """A row must have come of it, and ncu does not say so by its status alone."""
    if status is None:
        return "too long"
    if status == 0 and read_rows(text):
        return "pass"
    return f"FAIL {status}" + ("" if status else ": ncu printed no kernel")
