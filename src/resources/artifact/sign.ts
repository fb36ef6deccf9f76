import { X509Certificate } from "node:crypto";
import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { BootForm } from "../../core/resource.ts";
import type { Files, Host } from "../../host/ports.ts";
import { requirePrivateKey } from "../private-key.ts";
import type { ApplyContext } from "../types.ts";
import type { PackedFile } from "./generations.ts";

type Signing = NonNullable<BootForm["sign"]>;

const TOOLS = ["sbsign", "sbverify"] as const;

/**
 * SHA-256 of the certificate, by which a generation knows what it is signed with.
 * @throws RootloomError where key or certificate is not there, or others may read the key.
 */
export function fingerprintOf(files: Files, { key, certificate }: Signing): string {
  requirePrivateKey(files, key);
  const text = files.readText(certificate);
  if (text === undefined)
    throw new RootloomError(`cannot use the certificate ${certificate}: it is not there`, {
      hint: "it is the one whose copy firmware knows: openssl req -new -x509",
    });
  try {
    return new X509Certificate(text).fingerprint256.replaceAll(":", "").toLowerCase();
  } catch (cause) {
    throw new RootloomError(`cannot use the certificate ${certificate}: it is none`, {
      hint: "write it as PEM: openssl x509 -inform der -in FILE",
      cause,
    });
  }
}

/** Why nothing can be signed on this host; undefined where it can, or need not be. */
export function signProblem(
  { name, boot }: { readonly name: string; readonly boot?: BootForm | undefined },
  { processes }: Pick<Host, "processes">,
): { readonly message: string; readonly hint: string } | undefined {
  const missing = boot?.sign === undefined ? undefined : TOOLS.find((tool) => processes.find(tool) === undefined);
  if (missing === undefined) return undefined;
  return { message: `cannot sign ${name}: ${missing} is not installed`, hint: "apt-get install sbsigntool" };
}

/**
 * Signs an EFI program that was just written, in its place, and checks the signature against the certificate.
 * @throws RootloomError where key and certificate do not belong together, or the program cannot be signed.
 */
export async function signProgram(
  { build, file, mode }: { readonly build: string; readonly file: PackedFile; readonly mode: number },
  { key, certificate }: Signing,
  { host, cache, signal }: ApplyContext,
): Promise<PackedFile> {
  const { files, processes } = host;
  const path = `${build}/${file.path}`;
  const signed = `${path}.signed`;
  try {
    const words = ["--key", key, "--cert", certificate, "--output", signed, path];
    await processes.run({ file: "sbsign", arguments: words, signal });
    await processes.run({ file: "sbverify", arguments: ["--cert", certificate, signed], signal });
  } catch (thrown) {
    signal.throwIfAborted();
    const { message, details } = asRootloomError(thrown);
    throw new RootloomError(`cannot sign ${file.path} with ${key}: ${message}`, {
      hint: `the key must be that of ${certificate}, RSA, PEM, without a passphrase`,
      details,
      cause: thrown,
    });
  }
  const stat = files.stat(build);
  files.setAttributes(signed, { owner: stat?.owner ?? 0, group: stat?.group ?? 0, mode });
  files.rename(signed, path);
  const read = await host.jobs.run("hash", { path, cache, trustCache: false }, { signal });
  if (read === undefined) throw new RootloomError(`cannot sign ${file.path}: it went away`, { retry: "transient" });
  return { path: file.path, ...read };
}
