import { posix } from "node:path";
import { type Marker, ownership, parseMarker, readMarker } from "../marker.ts";
import type { ObserveContext } from "../types.ts";
import { RELEASE, RELEASES, SUMS } from "./release.ts";

export const MARKER = ".rootloom.json";
export const INCOMING = ".incoming";
export const CURRENT = "current";

/** What stands at the place that an image is published to. */
export interface Looked {
  /** `empty`: a directory with nothing in it, which is taken. */
  readonly state: "absent" | "empty" | "foreign" | "ours";
  /** Completes "it is ..." for a foreign one. */
  readonly whose: string;
  /** The release that `current` names; empty where it names none. */
  readonly release: string;
  /** Files of that release. */
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly size_bytes: number }>>;
  /** Text of its list. */
  readonly sums: string;
}

type Context = Pick<ObserveContext, "host" | "instance" | "cache" | "signal">;

const NOTHING: Looked = { state: "absent", whose: "", release: "", files: {}, sums: "" };

/** Looks at a directory of the host; files that did not change since they were last read are not read again. */
export async function lookAtDirectory(path: string, image: string, context: Context): Promise<Looked> {
  const { host, instance, cache, signal } = context;
  const { files } = host;
  const stat = files.stat(path);
  if (stat === undefined) return NOTHING;
  if (stat.type !== "directory") return { ...NOTHING, state: "foreign", whose: `a ${stat.type}` };
  const names = (files.list(path) ?? []).filter((name) => !name.startsWith(".rootloom-new-"));
  if (names.length === 0) return { ...NOTHING, state: "empty" };
  const marker = readMarker(files, posix.join(path, MARKER));
  const { inode, born } = stat;
  const found = judge(marker, image, instance, { inode, filesystem: files.filesystemIdentity(path), born });
  if (found.state === "foreign") return found;
  const link = files.stat(posix.join(path, CURRENT));
  if (link !== undefined && link.type !== "symlink") return inTheWay(link.type);
  const release = releaseOf(files.readLink(posix.join(path, CURRENT)) ?? "");
  const directory = posix.join(path, RELEASES, release);
  const held: Record<string, { sha256: string; size_bytes: number }> = {};
  for (const name of release === "" ? [] : (files.list(directory) ?? [])) {
    const file = posix.join(directory, name);
    if (files.stat(file)?.type !== "file") continue;
    const read = await host.jobs.run("hash", { path: file, cache, trustCache: true }, { signal });
    if (read !== undefined) held[name] = { sha256: read.sha256, size_bytes: read.size_bytes };
  }
  return { ...found, release, files: held, sums: files.readText(posix.join(directory, SUMS)) ?? "" };
}

/** What `LOOK` printed on another machine. */
export function readLook(output: string, image: string, instance: string): Looked {
  const lines = output.split("\n").map((line) => {
    const space = line.indexOf(" ");
    return space < 0 ? ([line, ""] as const) : ([line.slice(0, space), line.slice(space + 1)] as const);
  });
  const first = (word: string) => lines.find(([key]) => key === word)?.[1];
  const all = (word: string) => lines.flatMap(([key, rest]) => (key === word ? [rest] : []));
  if (first("absent") !== undefined) return NOTHING;
  if (first("other") !== undefined) return { ...NOTHING, state: "foreign", whose: "no directory" };
  if (first("filled") === undefined) return { ...NOTHING, state: "empty" };
  const text = first("marker");
  const marker = text === undefined ? undefined : parseMarker(text);
  const found = judge(marker, image, instance, { inode: Number(first("inode")), filesystem: FAR, born: "" });
  if (found.state === "foreign") return found;
  if (first("blocked") !== undefined) return inTheWay("directory or file");
  const files = Object.fromEntries(
    all("file").flatMap((line) => {
      const [sha256 = "", size = "", file = ""] = line.split(" ");
      return file === "" ? [] : [[file, { sha256, size_bytes: Number(size) }]];
    }),
  );
  const sums = all("sums").map((line) => `${line}\n`);
  return { ...found, release: releaseOf(first("current") ?? ""), files, sums: sums.join("") };
}

/** What a marker on another machine says instead of the name of a filesystem, which only its host knows. */
export const FAR = "ssh";

function judge(
  marker: Marker | "invalid" | undefined,
  image: string,
  instance: string,
  { inode, filesystem, born }: { readonly inode: number; readonly filesystem: string; readonly born: string },
): Looked {
  const { verdict, reason } = ownership(marker, instance, inode, filesystem, born);
  if (verdict === "foreign") return { ...NOTHING, state: "foreign", whose: reason };
  const name = typeof marker === "object" ? marker.name : "";
  return name === image
    ? { ...NOTHING, state: "ours" }
    : { ...NOTHING, state: "foreign", whose: `where image ${name} is published` };
}

function inTheWay(type: string): Looked {
  return { ...NOTHING, state: "foreign", whose: `in the way: its ${CURRENT} is a ${type}, not a link` };
}

function releaseOf(target: string): string {
  const release = target.startsWith(`${RELEASES}/`) ? target.slice(RELEASES.length + 1) : "";
  return RELEASE.test(release) ? release : "";
}
