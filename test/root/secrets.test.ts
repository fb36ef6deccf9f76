import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSite, type Ran, type Site } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { document, rootOf, small } from "./small-site.ts";

const words = ["sesame-one", "sesame-two", "edited-by-hand", "variable-value", "url-password"];

describe.skipIf(whyNotMount() !== undefined)("secrets", () => {
  let site: Site;
  beforeEach(() => {
    site = makeSite({
      ...small,
      "desired/overlays/secret-sauce/key/etc/key": `${words[0]}\n`,
      "desired/overlays/secret-sauce/live/etc/live-key": `${words[0]}\n`,
      "desired/overlays/secret-sauce/live/overlay.yaml": document("Overlay", "secret-sauce/live", {
        into: "root",
        roots: ["small"],
      }),
      "desired/images/a.yaml": document("Image", "a", { root: "small", overlays: ["secret-sauce/key"] }),
      "desired/targets/arm.yaml": document("ArchTarget", "arm", {
        cpu: "arm",
        kernelArch: "arm64",
        triplet: "aarch64-linux-gnu",
        environmentFile: "arm.env",
        variables: { TOKEN: words[3] },
      }),
    });
  });
  afterEach(() => site.remove());

  /** Everything that the program said and wrote for people and for itself, but for the places that must hold contents. */
  function told(...runs: readonly Ran[]): string {
    const files = filesBelow(site.state).filter(
      (path) => !/\/(volumes\/small\/(root|\.rootloom\/originals)|artifacts|arm\.env)(\/|$)/.test(path),
    );
    return [
      ...runs.flatMap((ran) => [ran.stdout, ran.stderr]),
      ...files.map((path) => readFileSync(path, "latin1")),
    ].join("\n");
  }

  it("appear in no plan, report, log, journal or record, as declared, as changed, or as edited by hand", () => {
    const runs = [site.run("plan"), site.run("plan", "--json"), site.run("apply", "--json", "--log-level", "trace")];
    expect(runs[2]?.exitCode, `${runs[2]?.stdout}${runs[2]?.stderr}`).toBe(0);
    site.commit({
      "desired/overlays/secret-sauce/live/etc/live-key": `${words[1]}\n`,
      "desired/overlays/secret-sauce/key/etc/key": `${words[1]}\n`,
    });
    runs.push(site.run("plan", "--out", join(site.state, "plan.json")), site.run("apply", "--json"));
    writeFileSync(rootOf(site, "etc/live-key"), `${words[2]}\n`);
    for (const command of ["drift", "plan", "status", "report", "history"])
      runs.push(site.run(command), site.run(command, "--json"));
    runs.push(
      site.run("report", "--format", "md"),
      site.run("explain", "overlay/secret-sauce/live@small"),
      site.run("apply", "--json"),
    );
    runs.push(site.run("--remote", `https://somebody:${words[4]}@127.0.0.1:9/x.git`, "--branch", "main", "plan"));
    const text = told(...runs);
    for (const word of words) expect(text.includes(word), word).toBe(false);
    expect(text).toContain("live-key");
  });

  it("are readable by their owner only, wherever they are kept", () => {
    expect(site.run("apply").exitCode).toBe(0);
    writeFileSync(rootOf(site, "etc/live-key"), `${words[2]}\n`);
    expect(site.run("apply").exitCode).toBe(0);
    const open = execFileSync("find", [site.state, site.cache, "-type", "f", "-perm", "/077"], { encoding: "utf8" })
      .split("\n")
      .filter((path) => path !== "" && !path.startsWith(rootOf(site)) && isReachable(path, site.directory));
    const holding = open.filter((path) => words.some((word) => readFileSync(path, "latin1").includes(word)));
    expect(holding).toEqual([]);
  });
});

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Whether another user can come as far as the file. */
function isReachable(path: string, top: string): boolean {
  const below = path.slice(top.length + 1).split("/");
  return below.slice(0, -1).every((_, depth) => (statSync(join(top, ...below.slice(0, depth + 1))).mode & 0o011) !== 0);
}
