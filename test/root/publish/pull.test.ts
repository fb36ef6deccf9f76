import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { fixtures, makeSite, type Site, sha256Of } from "../../kit.ts";
import { whyNotMount } from "../private-namespace.ts";
import { changesOf, document, small } from "../small-site.ts";

let site: Site;
beforeEach(() => {
  expect(whyNotMount()).toBeUndefined();
  site = makeSite(small);
  mkdirSync(join(site.state, "published"), { recursive: true });
});
afterEach(() => site.remove());

const place = (...names: readonly string[]): string => join(site.state, "published/a", ...names);

function publish(sign: object): void {
  const stub = join(fixtures, "systemd-boot-efi/linuxx64.efi.stub");
  const spec = {
    ...{ root: "small", overlays: ["hardware/one"], publish: { directory: place(), sign } },
    ...{ kernelImage: { path: join(fixtures, "vmlinuz") }, boot: { form: "uki", stub } },
  };
  site.commit({ "desired/images/a.yaml": document("Image", "a", spec) });
  const ran = site.run("apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  expect(changesOf(site)).toEqual([]);
}

/** A secret key, and its public half where systemd looks for it in a namespace of the test's own. */
function makeKey(home: string): string {
  mkdirSync(home, { mode: 0o700 });
  const gpg = (...words: readonly string[]): Buffer =>
    execFileSync("gpg", ["--homedir", home, "--batch", "--quiet", "--no-tty", ...words], { stdio: "pipe" });
  gpg("--passphrase", "", "--quick-generate-key", "publisher@example.org", "ed25519", "sign", "never");
  const key = join(home, "key.gpg");
  writeFileSync(key, gpg("--export-secret-keys"), { mode: 0o600 });
  writeFileSync(join(home, "ring.gpg"), gpg("--export"));
  execFileSync("gpgconf", ["--homedir", home, "--kill", "all"]);
  return key;
}

async function served<T>(body: (address: string) => Promise<T>): Promise<T> {
  const server: Server = createServer((request, response) => {
    const file = place("current", (request.url ?? "/").slice(1));
    response.statusCode = existsSync(file) ? 200 : 404;
    response.end(existsSync(file) ? readFileSync(file) : "there is no such file\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  try {
    return await body(`http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`);
  } finally {
    server.close();
  }
}

const TRUSTING = `set -e
mkdir -p "$1/etc/upper/systemd" "$1/etc/work"
cp "$1/ring.gpg" "$1/etc/upper/systemd/import-pubring.gpg"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/etc/upper,workdir=$1/etc/work" /etc
shift
for pull in /usr/lib/systemd/systemd-pull /lib/systemd/systemd-pull; do [ ! -x $pull ] || exec $pull raw --direct "$@"; done
exit 127`;

/** What systemd-sysupdate runs for its list, and for each file of the version that it takes. */
async function pull(home: string, ...words: readonly string[]): Promise<number> {
  const inside = ["sh", "-c", TRUSTING, "sh", home, ...words];
  const child = spawn("unshare", ["--mount", "--propagation", "private", "--", ...inside], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const giveUp = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const code = await new Promise<number>((resolve) => child.once("exit", (ended) => resolve(ended ?? -1)));
  clearTimeout(giveUp);
  return code;
}

it("is pulled by systemd: the list by its signature, the image by the list; what was changed on the way is not taken", async () => {
  const home = join("/tmp", `rl-gpg-${process.pid}`);
  try {
    publish({ gpg: makeKey(home) });
    const image = readdirSync(place("current")).find((name) => name.endsWith(".efi")) ?? "";
    const packed = sha256Of(place("current", image));
    const [list, file] = [join(home, "list"), join(home, "image")];
    await served(async (address) => {
      expect(await pull(home, "--verify=signature", `${address}/SHA256SUMS`, list)).toBe(0);
      expect(readFileSync(list, "utf8")).toContain(`${packed}  ${image}\n`);
      expect(await pull(home, "--verify=checksum", `${address}/${image}`, file)).toBe(0);
      expect(sha256Of(file)).toBe(packed);
      writeFileSync(place("current/SHA256SUMS"), `${readFileSync(list, "utf8")}${"0".repeat(64)}  a_2.efi\n`);
      expect(await pull(home, "--verify=signature", `${address}/SHA256SUMS`, `${list}2`)).not.toBe(0);
    });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}, 60_000);

it("is signed by minisign just as well", () => {
  const [key, open] = [join(site.directory, "minisign.key"), join(site.directory, "minisign.pub")];
  execFileSync("minisign", ["-G", "-W", "-p", open, "-s", key], { stdio: "pipe" });
  chmodSync(key, 0o600);
  publish({ minisign: key });
  const words = ["-V", "-q", "-p", open, "-m", place("current/SHA256SUMS"), "-x", place("current/SHA256SUMS.minisig")];
  expect(execFileSync("minisign", words, { encoding: "utf8" })).toBe("");
}, 60_000);
