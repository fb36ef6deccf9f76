import { beforeAll, describe, expect, it } from "vitest";
import { killedAt, measure, moments, type Reference, siteOf } from "../kills/moments.ts";
import { whyNotMount } from "./private-namespace.ts";

const SEED = 20_261_121;
/** Eight keep the suite short; `npm run kills -- --count N` tries as many as one has time for. */
const COUNT = Number(process.env.ROOTLOOM_KILLS ?? 8);

describe("a daemon that dies by SIGKILL at a random moment of a converge", () => {
  let reference: Reference;
  beforeAll(async () => {
    expect(whyNotMount()).toBeUndefined();
    reference = await measure(siteOf());
  });

  it("leaves no child and no half image, and its next life makes the same image, with nothing left to do", async () => {
    for (const moment_ms of moments(COUNT, SEED, reference.whole_ms)) {
      expect(await killedAt(moment_ms, reference), `killed after ${moment_ms} ms`).toEqual([]);
    }
  }, 600_000);
});
