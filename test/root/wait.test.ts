import { afterEach, describe, expect, it } from "vitest";
import { makeSite, type Site } from "../kit.ts";
import { small } from "./small-site.ts";

describe("rootloom status --wait", () => {
  let site: Site;
  afterEach(() => site.remove());

  it("does not take the Ready of an older commit for this one's: it waits until a pass has seen it", () => {
    site = makeSite(small);
    expect(site.run("apply").exitCode).toBe(0);
    expect(site.run("status", "--wait").exitCode).toBe(0);
    const commit = site.commit({ "desired/overlays/hardware/one/etc/one.conf": "two\n" });
    const late = site.run("status", "--wait", "--timeout", "1s");
    expect(late.exitCode).toBe(3);
    expect(late.stderr).toContain("no pass has seen the current commit yet");
    site.start("daemon");
    expect(site.run("status", "--wait", "--timeout", "60s").exitCode).toBe(0);
    expect(site.json<{ lastRun: { revision: string } }>("status").lastRun.revision).toBe(commit);
  });
});
