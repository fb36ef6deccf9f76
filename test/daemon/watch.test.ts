import { describe, expect, it } from "vitest";
import type { Trigger } from "../../src/daemon/wakes.ts";
import { watchSource } from "../../src/daemon/watch.ts";
import type { Events } from "../../src/host/ports.ts";
import type { Session } from "../../src/pass/types.ts";

type Hint = Parameters<Parameters<Events["watch"]>[1]>[0];

/** A source in /host, whose repository is there too; `wakes` are the triggers, with the milliseconds that each waits. */
async function watching() {
  const wakes: (readonly [Trigger, number | undefined])[] = [];
  const warnings: string[] = [];
  let tell: (hint: Hint) => void = () => undefined;
  const events = {
    watch: async (_: readonly string[], onHint: typeof tell) => {
      tell = onHint;
      return { close: async () => undefined };
    },
  };
  const files = { realPath: (path: string) => path, stat: () => ({ type: "directory" }) };
  const git = {
    discover: async () => ({ repository: "/host", bare: false, top: "/host", gitDirectory: "/host/.git" }),
  };
  const session = {
    host: { events, files, git },
    configuration: { source: { desired: "/host/desired", ref: "HEAD" } },
  };
  const log = { warn: (_: object, message: string) => void warnings.push(message) };
  const ears = { wake: (trigger: Trigger, delay_ms?: number) => void wakes.push([trigger, delay_ms]) };
  await watchSource(session as unknown as Session, ears as never, log as never);
  return { wakes, warnings, tell: (hint: Hint) => tell(hint) };
}

describe("a change in the source", () => {
  it("wakes almost at once when a ref changed, and waits for an editor's burst to end", async () => {
    const { wakes, tell } = await watching();
    tell({ path: "/host/.git/refs/heads/main" });
    tell({ path: "/host/.git/HEAD" });
    tell({ path: "/host/desired/overlays/common/etc/motd" });
    expect(wakes).toEqual([
      ["commit", 5],
      ["commit", 5],
      ["worktree", 300],
    ]);
  });

  it("does not wake for the lock that git takes before it changes a ref, but for a file of that name in the tree", async () => {
    const { wakes, tell } = await watching();
    tell({ path: "/host/.git/refs/heads/main.lock" });
    expect(wakes).toEqual([]);
    tell({ path: "/host/desired/overlays/common/src/Cargo.lock" });
    expect(wakes).toEqual([["worktree", 300]]);
  });

  it("says that watching is not reliable, and wakes nobody for it", async () => {
    const { wakes, warnings, tell } = await watching();
    tell({ path: "/host/desired", degraded: "no more watches" });
    expect(warnings).toEqual([expect.stringContaining("no more watches")]);
    expect(wakes).toEqual([]);
  });
});
