/** One line of the table: our time beside another's for the same work. `ratio`: how many times faster we are. */
export interface Row {
  readonly work: string;
  readonly rootloom_s: number;
  readonly other: string;
  readonly other_s: number;
  readonly ratio: number;
  /** What the ratio is to reach, and what else is worth saying of this work. */
  readonly bar: string;
  readonly note: string;
}

/** What a timed body tells: seconds, and the size of what it made. */
export interface Measured {
  readonly seconds: number;
  readonly bytes?: number;
}

export type Body = (run: number) => Measured | Promise<Measured>;

/** Runs the bodies in turn, so that what disturbs the machine disturbs each of them; the median of each. */
export async function sideBySide(runs: number, bodies: readonly Body[]): Promise<readonly Measured[]> {
  const all = bodies.map((): Measured[] => []);
  for (let run = 0; run < runs; run++) {
    for (const [index, body] of bodies.entries()) all[index]?.push(await body(run));
  }
  return all.map(middle);
}

/** Seconds that a body takes. */
export async function timed(body: () => unknown): Promise<Measured> {
  const start = performance.now();
  await body();
  return { seconds: (performance.now() - start) / 1000 };
}

export function row(work: string, ours: Measured, other: string, theirs: Measured, bar: string, note = ""): Row {
  const ratio = theirs.seconds / ours.seconds;
  return {
    work,
    rootloom_s: round(ours.seconds),
    other,
    other_s: round(theirs.seconds),
    ratio: round(ratio),
    bar,
    note,
  };
}

/** As Markdown. */
export function table(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ work, rootloom_s, other, other_s, ratio, bar, note }) =>
      `| ${work} | ${show(rootloom_s)} | ${other} | ${show(other_s)} | ${Number.isNaN(ratio) ? "-" : ratio.toFixed(2)} | ${bar} | ${note} |`,
  );
  return ["| work | Rootloom s | beside | s | times | bar | |", "|---|---:|---|---:|---:|---|---|", ...lines].join(
    "\n",
  );
}

export function megabytes(bytes: number | undefined): string {
  return `${((bytes ?? 0) / 1e6).toFixed(1)} MB`;
}

function middle(measured: readonly Measured[]): Measured {
  const sorted = measured.toSorted((a, b) => a.seconds - b.seconds);
  return sorted[sorted.length >> 1] ?? { seconds: Number.NaN };
}

function show(seconds: number): string {
  return Number.isNaN(seconds) ? "-" : seconds.toFixed(seconds < 1 ? 3 : 2);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
