import type { FakeHost } from "../../src/host/fake/host.ts";
import type { JobTable } from "../../src/host/jobs.ts";
import type { Host } from "../../src/host/ports.ts";
import type { World } from "./world.ts";

/** A fault put into the program on purpose, from outside, to prove that the simulation can see one. */
export interface DeliberateFault {
  readonly name: string;
  readonly what: string;
  /** Within how many seeds, from 1 on, it must be caught. */
  readonly seeds: number;
  /** Bends the ports as the program sees them. */
  readonly host?: (host: FakeHost, world: World) => Host;
  readonly jobs?: (table: JobTable) => JobTable;
  /** Bends a table of the program; the answer sets it right again. */
  readonly install?: () => () => void;
}
