import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Somebody who publishes tarballs: a web server on loopback with a certificate authority of its own, and OpenPGP keys. */
export interface Publisher {
  readonly folder: string;
  /** Certificates that the server proves its name by. */
  readonly caFile: string;
  readonly https: string;
  readonly http: string;
  /** What was asked for since the last call: `/stage.tar whole`, `/stage.tar bytes=100-`. */
  requests(): readonly string[];
  publish(name: string, content: string | Uint8Array): void;
  /** The public keys, armored, of keys by their names. */
  keyring(...keys: readonly string[]): string;
  fingerprint(key: string): string;
  /** A detached signature, armored. */
  sign(key: string, content: string | Uint8Array, ...options: readonly string[]): string;
  clearsign(key: string, text: string): string;
  /** What it signed before is there still; it signs no more. */
  revoke(key: string): void;
  remove(): Promise<void>;
}

/** Keys: `release` is good, `other` is good and of somebody else, `old` is expired, `stolen` is to be revoked. */
export async function openPublisher(): Promise<Publisher> {
  const top = mkdtempSync(join(tmpdir(), "rootloom-publisher-"));
  const folder = join(top, "www");
  mkdirSync(folder);
  makeCertificates(top);
  const gpg = makeKeys(join(top, "gnupg"));
  const caFile = join(top, "authority.pem");
  const server = spawn(process.execPath, [
    new URL("publisher-server.ts", import.meta.url).pathname,
    ...[folder, join(top, "server.key"), join(top, "server.pem")],
  ]);
  const ports = await portsOf(server);
  const fingerprint = (key: string): string =>
    /^fpr:+([0-9A-F]{40}):/m.exec(gpg(["--with-colons", "--fingerprint", addressOf(key)]))?.[1] ?? "";
  let seen = 0;
  return {
    folder,
    caFile,
    https: `https://localhost:${ports.https}`,
    http: `http://localhost:${ports.http}`,
    requests: () => {
      const path = join(folder, "requests");
      const all = existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
      const fresh = all.slice(seen);
      seen = all.length;
      return fresh;
    },
    publish: (name, content) => writeFileSync(join(folder, name), content),
    keyring: (...keys) => gpg(["--armor", "--export", ...keys.map(addressOf)]),
    fingerprint,
    sign: (key, content, ...options) =>
      gpg([...options, "--local-user", addressOf(key), "--armor", "--detach-sign"], content),
    clearsign: (key, text) => gpg(["--local-user", addressOf(key), "--clearsign"], text),
    // gpg writes a revocation for each key it makes, with a colon before it that somebody has to take away.
    revoke: (key) => {
      const file = join(top, "gnupg/openpgp-revocs.d", `${fingerprint(key)}.rev`);
      const certificate = readFileSync(file, "utf8").replace(":-----BEGIN", "-----BEGIN");
      gpg(["--import"], certificate.slice(certificate.indexOf("-----BEGIN")));
    },
    remove: async () => {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      if (server.kill()) await ended;
      spawnSync("gpgconf", ["--homedir", join(top, "gnupg"), "--kill", "all"]);
      rmSync(top, { recursive: true });
    },
  };
}

const addressOf = (key: string): string => `${key}@example.invalid`;

function makeCertificates(top: string): void {
  const openssl = (...words: readonly string[]) => execFileSync("openssl", words, { cwd: top, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "authority.key", "-out", "authority.pem", "-subj", "/CN=test authority");
  openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost");
  writeFileSync(join(top, "names"), "subjectAltName=DNS:localhost\n");
  const by = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-extfile", "names"];
  openssl("x509", "-req", "-in", "server.csr", ...by, "-days", "30", "-out", "server.pem");
  chmodSync(join(top, "authority.pem"), 0o644);
  // curl runs as nobody: it reaches the authority's file through this directory.
  chmodSync(top, 0o755);
}

function makeKeys(home: string): (words: readonly string[], input?: string | Uint8Array) => string {
  mkdirSync(home, { mode: 0o700 });
  const gpg = (words: readonly string[], input: string | Uint8Array = "") =>
    execFileSync("gpg", ["--homedir", home, "--batch", "--quiet", "--no-tty", "--trust-model", "always", ...words], {
      input,
      encoding: "utf8",
      stdio: ["pipe", "pipe", "pipe"],
    });
  const make = (name: string, expires: string, ...words: readonly string[]) =>
    gpg([...words, "--passphrase", "", "--quick-generate-key", addressOf(name), "ed25519", "sign", expires]);
  make("release", "0");
  make("other", "0");
  make("stolen", "0");
  make("old", "1d", "--faked-system-time", "20200101T000000!");
  return gpg;
}

function portsOf(server: ChildProcess): Promise<{ readonly https: number; readonly http: number }> {
  return new Promise((resolve, reject) => {
    let said = "";
    server.stdout?.on("data", (part: Buffer) => {
      said += part.toString();
      if (said.includes("\n")) resolve(JSON.parse(said));
    });
    server.once("exit", (code) => reject(new Error(`the server of the tests ended with ${code}`)));
  });
}
