import { mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { fixtures, makeSite, type Site, sha256Of } from "../kit.ts";
import { document, processesOf } from "../root/small-site.ts";
import { runAllowed } from "../root/toy-kernel.ts";
import { timed } from "../vm/guest.ts";
import { filesOf, message, X86_64 } from "../vm/tiny-kernel.ts";

let site: Site;
afterEach(async () => {
  const left = processesOf(site);
  await site.remove();
  expect(left).toEqual([]);
});

const place = (...names: readonly string[]): string => join(site.state, "kernels/tiny", ...names);
const applied = (): void => {
  const ran = runAllowed(site, "apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
};

it("a kernel that is compiled from clean boots, is only linked when its image changed, and has the same bytes when all is made anew with what a compiler's cache has", () => {
  site = makeSite({ "desired/host.yaml": document("Host", "host", { budget: { jobs: 2 } }) });
  site.commit(filesOf(site, X86_64, {}));
  timed("x86_64, a full make from clean, without a compiler's cache, to the booted kernel", applied);
  const sha256 = sha256Of(place("current/kernel"));
  timed("x86_64, from the commit of one overlay file to the booted kernel with it", () => {
    site.commit(message("SECOND"));
    applied();
  });
  expect(readFileSync(place("current/boot.log"), "latin1")).toContain("GUEST SECOND");
  for (const path of [site.cache, place()]) rmSync(path, { recursive: true });
  mkdirSync(site.cache, { mode: 0o700 });
  symlinkSync(join(fixtures, "ccache"), join(site.cache, "ccache"));
  site.commit(message("FIRST"));
  timed("x86_64, all made anew with the compiler's cache, to the booted kernel", applied);
  expect(sha256Of(place("current/kernel"))).toBe(sha256);
});
