import { beforeAll, describe, expect, it } from "vitest";
import { killedAtAll, measure, moments, type Reference, siteOf } from "../kills/moments.ts";
import { whyNotMount } from "./private-namespace.ts";

const SEED = 20_261_121;
/** `npm run kills -- --count N` tries as many as one has time for. */
const COUNT = Number(process.env.ROOTLOOM_KILLS ?? 20);

describe("a daemon that dies by SIGKILL at a random moment of a converge", () => {
  let reference: Reference;
  beforeAll(async () => {
    expect(whyNotMount()).toBeUndefined();
    reference = await measure(siteOf());
  });

  it("leaves no child and no half image, and its next life makes the same image, with nothing left to do", async () => {
    expect(await killedAtAll(moments(COUNT, SEED, reference.whole_ms), reference)).toEqual([]);
  }, 1_200_000);
});
