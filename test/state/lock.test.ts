import { describe, expect, it } from "vitest";
import { LOCKED, withStateLock } from "../../src/state/lock.ts";
import { openState } from "../../src/state/state.ts";
import { host, newStateDirectory } from "./host.ts";

describe("the state's lock", () => {
  it("lets one in at a time, and tells the other who is in and at which step", async () => {
    const directory = newStateDirectory();
    const state = openState(host, directory, "write");
    state.beginStep("r1", "tree/debian", "tree.create", "2026-11-21T08:00:00.000Z");
    state.close();
    const outcome = withStateLock(host, directory, () => withStateLock(host, directory, async () => "in"));
    await expect(outcome).rejects.toMatchObject({
      condition: LOCKED,
      message: expect.stringMatching(new RegExp(`pid ${process.pid} \\(.*at tree/debian: tree.create since 2026-`)),
    });
  });

  it("is given back after a failure", async () => {
    const directory = newStateDirectory();
    await expect(withStateLock(host, directory, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await withStateLock(host, directory, async () => "in")).toBe("in");
  });
});
