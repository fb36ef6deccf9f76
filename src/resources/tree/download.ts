import { posix } from "node:path";
import { asRootloomError, RootloomError } from "../../core/error.ts";
import { withoutRights } from "../../host/unprivileged.ts";
import { formatSize } from "../../pack/notes.ts";
import { requireTool } from "../require-tool.ts";
import type { ApplyContext } from "../types.ts";

export interface Download {
  readonly url: string;
  /** Where it goes, below the cache; what an interrupted run left there is gone on with. */
  readonly file: string;
  readonly limit_bytes: number;
  /** What is free, where that is the limit: then it is the disk that is too small. */
  readonly free_bytes?: number | undefined;
}

/** Tried so often while something comes or the failure may pass; then it is the pass that tries again, with backoff. */
const ATTEMPTS_MAX = 4;
const PAUSE_MS = 1_000;

/**
 * Fetches a file with curl, which runs as nobody: what comes from the network is parsed without any right, and written
 * to a descriptor that root opened. Redirects stay within https: where the address was one.
 * @returns whether a part of it stood there before: what it became is to be checked with that in mind.
 * @throws RootloomError: offline, not there, too large, not reached (transient), or a server that cannot prove its name.
 */
export async function download(wanted: Download, context: ApplyContext): Promise<{ readonly resumed: boolean }> {
  const { files, clock } = context.host;
  if (context.network.offline) throw offline(wanted);
  requireTool("curl", `fetch ${wanted.url}`, "curl", context);
  files.makeDirectories(posix.dirname(wanted.file), 0o700);
  const resumed = (files.stat(wanted.file)?.size ?? 0) > 0;
  for (let attempt = 1; ; attempt++) {
    const begun_bytes = files.stat(wanted.file)?.size ?? 0;
    const failure = await fetchOnce(withinRoom(wanted, begun_bytes, context), begun_bytes, context);
    if (failure === undefined) return { resumed };
    if (failure === "restart") files.removeFile(wanted.file);
    else if (failure.retry !== "transient" || attempt >= ATTEMPTS_MAX) throw failure;
    else await clock.sleep(PAUSE_MS * 2 ** (attempt - 1), context.signal);
    if (attempt >= 2 * ATTEMPTS_MAX) throw failed(wanted, "the server sends no whole file", "transient");
  }
}

/** Nine tenths of what is free at most. A server that tells how much comes is turned down before anything of it does. */
function withinRoom(wanted: Download, begun_bytes: number, { host: { files } }: ApplyContext): Download {
  const free_bytes = files.freeSpace_bytes(posix.dirname(wanted.file));
  const room_bytes = begun_bytes + Math.floor(free_bytes * 0.9);
  return room_bytes >= wanted.limit_bytes ? wanted : { ...wanted, limit_bytes: room_bytes, free_bytes };
}

/** Opens the file as root, limits what may be written to it (blocks of 512 bytes), and hands both on. */
const SCRIPT = 'umask 077; ulimit -f "$1" || exit 1; file=$2; shift 2; exec "$@" >>"$file"';
/** Every code that curl has: what each means is said below. */
const ANY_CODE = Array.from({ length: 126 }, (_, code) => code);

async function fetchOnce(
  wanted: Download,
  begun_bytes: number,
  context: ApplyContext,
): Promise<RootloomError | "restart" | undefined> {
  const { processes, files } = context.host;
  const curl = [...withoutRights(processes.userId), "curl", ...curlArguments(wanted, begun_bytes, context)];
  const blocks = Math.ceil(wanted.limit_bytes / 512);
  let status = "";
  try {
    const { exitCode } = await processes.run({
      file: "sh",
      arguments: ["-c", SCRIPT, "sh", String(blocks), wanted.file, ...curl],
      timeout_ms: 0,
      signal: context.signal,
      accept: ANY_CODE,
      onLine: (line) => {
        status = /^status (\d{3})$/.exec(line)?.[1] ?? status;
        const percent = /^ *(\d{1,3}) /.exec(line)?.[1];
        if (percent !== undefined) context.progress(`fetching ${nameOf(wanted.url)}`, Number(percent), 100);
      },
    });
    if (exitCode === 0) return undefined;
    // All of it was there already: a run was killed between the last byte and the check.
    if (exitCode === 22 && status === "416" && begun_bytes > 0) return undefined;
    if (exitCode === 33 || exitCode === 36) return "restart";
    return failureOf(wanted, exitCode, status, context);
  } catch (thrown) {
    if (context.signal.aborted || (files.stat(wanted.file)?.size ?? 0) < wanted.limit_bytes)
      throw asRootloomError(thrown);
    return tooLarge(wanted);
  }
}

function curlArguments(wanted: Download, begun_bytes: number, context: ApplyContext): readonly string[] {
  const protocols = wanted.url.toLowerCase().startsWith("https:") ? "=https" : "=http,https";
  const { caFile } = context.network;
  return [
    // First: no configuration of anybody's home.
    "--disable",
    ...["--fail", "--location", "--max-redirs", "8", "--proto", protocols, "--proto-redir", protocols],
    ...["--connect-timeout", "30", "--speed-limit", "1024", "--speed-time", "60", "--tlsv1.2"],
    ...["--max-filesize", String(Math.max(1, wanted.limit_bytes - begun_bytes))],
    ...(caFile === undefined ? [] : ["--cacert", caFile]),
    ...(begun_bytes === 0 ? [] : ["--continue-at", String(begun_bytes)]),
    ...["--write-out", "%{stderr}\nstatus %{http_code}\n", "--output", "-", "--url", wanted.url],
  ];
}

/** What the exit codes of curl(1) mean here. */
function failureOf(wanted: Download, code: number, status: string, context: ApplyContext): RootloomError {
  const limit_reached = (context.host.files.stat(wanted.file)?.size ?? 0) >= wanted.limit_bytes;
  if (code === 63 || (code === 23 && limit_reached)) return tooLarge(wanted);
  switch (code) {
    case 22: {
      const passing = status.startsWith("5") || status === "408" || status === "429";
      const hint = "look at the address: the file was moved, or is not for everybody";
      return failed(
        wanted,
        `the server answers ${status}`,
        passing ? "transient" : "terminal",
        passing ? undefined : hint,
      );
    }
    case 6:
      return failed(wanted, "its host's name is not known", "transient", "look at the address, and at the resolver");
    case 7:
      return failed(wanted, "its host does not answer", "transient");
    case 23:
      return failed(wanted, `${wanted.file} cannot be written`, "transient", "make room, or run `rootloom gc`");
    case 28:
      return failed(wanted, "it came too slowly, or not at all", "transient");
    case 35:
    case 60:
    case 77: {
      const hint = "if its certificate is of your own authority, name that one by --ca-file; then: rootloom trigger";
      return failed(wanted, "the server could not prove its name (TLS)", "terminal", hint);
    }
    case 1:
    case 47:
      return failed(wanted, "it leads on to an address that is not allowed, or on and on", "terminal");
    default:
      return failed(wanted, `curl ended with ${code}`, "transient");
  }
}

function tooLarge(wanted: Download): RootloomError {
  const { url, file, limit_bytes, free_bytes } = wanted;
  if (free_bytes !== undefined) {
    const why = `it is larger than ${formatSize(limit_bytes)}, and ${posix.dirname(file)} has ${formatSize(free_bytes)} free`;
    return new RootloomError(`cannot fetch ${url}: ${why}`, {
      hint: "make room, run `rootloom gc`, or give a cache on a larger disk with --cache",
      retry: "waiting",
      condition: "NoSpace",
    });
  }
  const why = `it is larger than ${limit_bytes} bytes`;
  return failed(wanted, why, "terminal", "if that is right, raise `maxSize`");
}

function offline(wanted: Download): RootloomError {
  return new RootloomError(`cannot fetch ${wanted.url}: this host is offline by its configuration`, {
    hint: "run once without --offline (ROOTLOOM_OFFLINE, `offline` of the Host), or declare a file that is here",
    retry: "waiting",
    condition: "Offline",
  });
}

function failed(wanted: Download, why: string, retry: "transient" | "terminal", hint?: string): RootloomError {
  return new RootloomError(`cannot fetch ${wanted.url}: ${why}`, { retry, ...(hint === undefined ? {} : { hint }) });
}

/** The last part of an address or a path: the name that digests know it by. */
export function nameOf(place: string): string {
  const path = URL.canParse(place) ? new URL(place).pathname : place;
  const name = path.slice(path.lastIndexOf("/") + 1);
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
