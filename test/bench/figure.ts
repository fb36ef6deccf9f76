/** One line of the result. `bytes`: of the file that it made. */
export interface Figure {
  readonly name: string;
  readonly seconds: number;
  readonly bytes?: number;
}

/** What a timed body may tell: the size of what it made, and its own time where the body has to prepare something first. */
export interface Measured {
  readonly bytes?: number;
  readonly seconds?: number;
}

export async function median(
  name: string,
  runs: number,
  body: (run: number) => Measured | Promise<Measured>,
): Promise<Figure> {
  const seconds: number[] = [];
  let bytes: number | undefined;
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    const measured = await body(run);
    seconds.push(measured.seconds ?? (performance.now() - start) / 1000);
    bytes = measured.bytes;
  }
  seconds.sort((a, b) => a - b);
  const middle = seconds[seconds.length >> 1] ?? 0;
  return bytes === undefined ? { name, seconds: middle } : { name, seconds: middle, bytes };
}
