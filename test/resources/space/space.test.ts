import { describe, expect, it } from "vitest";
import { SPARE_BYTES } from "../../../src/core/space.ts";
import type { Files } from "../../../src/host/ports.ts";
import { createSpaceLedger } from "../../../src/resources/space.ts";

const MIB = 1024 ** 2;

/** Two filesystems, told apart by the first name of a path; only their tops are there. */
function disks(free: Record<string, number>): Files {
  const top = (path: string): string => `/${path.split("/")[1]}`;
  const files: Partial<Files> = {
    stat: (path) => (path === top(path) ? ({ type: "directory" } as ReturnType<Files["stat"]>) : undefined),
    filesystemIdentity: top,
    freeSpace_bytes: (path) => (free[top(path)] ?? 0) + SPARE_BYTES,
  };
  return files as Files;
}
/** Work that ends when it is told to. */
function work(): { readonly run: () => Promise<void>; readonly end: () => void; readonly begun: () => boolean } {
  let end = (): void => undefined;
  let begun = false;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = (): Promise<void> => {
    begun = true;
    return ended;
  };
  return { run, end, begun: () => begun };
}
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const need = (path: string, mib: number) => ({ path, needed_bytes: mib * MIB, what: `fill ${path}` });

describe("room that steps of one pass hold", () => {
  it("is counted once: what does not fit beside the others runs after them", async () => {
    const ledger = createSpaceLedger(disks({ "/a": 100 * MIB }));
    const [first, second, third] = [work(), work(), work()];
    const all = [ledger.hold(need("/a/x", 60), first.run), ledger.hold(need("/a/y/z", 60), second.run)];
    all.push(ledger.hold(need("/a/small", 40), third.run));
    await settle();
    expect([first.begun(), second.begun(), third.begun()]).toEqual([true, false, true]);
    third.end();
    await settle();
    expect(second.begun()).toBe(false);
    first.end();
    await settle();
    expect(second.begun()).toBe(true);
    second.end();
    await Promise.all(all);
  });

  it("is another's on another filesystem, and free again when the work failed", async () => {
    const ledger = createSpaceLedger(disks({ "/a": 100 * MIB, "/b": 100 * MIB }));
    const first = work();
    const held = ledger.hold(need("/a", 90), first.run);
    await ledger.hold(need("/b", 90), async () => undefined);
    first.end();
    await held;
    await expect(ledger.hold(need("/a", 90), () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    await ledger.hold(need("/a", 90), async () => undefined);
  });

  it("is refused with the figures where it would not fit alone, and nothing is begun", async () => {
    const ledger = createSpaceLedger(disks({ "/a": 100 * MIB }));
    const never = work();
    await expect(ledger.hold(need("/a/deep/er", 101), never.run)).rejects.toMatchObject({
      message: "cannot fill /a/deep/er: /a has 101.0 MiB free, about 102.0 MiB are needed",
      ...{ retry: "waiting", condition: "NoSpace" },
    });
    expect(never.begun()).toBe(false);
  });

  it("is made by collecting garbage first, once for all who find none", async () => {
    const free = { "/a": 10 * MIB };
    let collected = 0;
    const ledger = createSpaceLedger(disks(free), async () => {
      collected += 1;
      await settle();
      free["/a"] = 50 * MIB;
    });
    const both = [need("/a/x", 20), need("/a/y", 20)].map((each) => ledger.hold(each, async () => "done"));
    expect(await Promise.all(both)).toEqual(["done", "done"]);
    await expect(ledger.hold(need("/a/z", 60), async () => undefined)).rejects.toThrow("has 51.0 MiB free");
    expect(collected).toBe(1);
  });
});
