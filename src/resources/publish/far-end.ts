import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { PublishPlace, PublishResource } from "../../core/resource.ts";
import type { ObserveContext } from "../types.ts";
import { INCOMING, type Looked, lookAtDirectory, readLook } from "./look.ts";
import { LOOK } from "./scripts.ts";

/** The place that an image is published to, here or on another machine. */
export interface FarEnd {
  look(): Promise<Looked>;
  /** Runs one of `scripts.ts` there; returns what it printed. */
  run(script: string, words: readonly string[]): Promise<string>;
  /** Copies a file into `.incoming`, under its digest; what is there of it already is gone on with. */
  send(path: string, digest: string): Promise<void>;
}

type Context = Pick<ObserveContext, "host" | "instance" | "cache" | "signal">;

export function openFarEnd(resource: PublishResource, context: Context): FarEnd {
  const { place } = resource;
  return place.type === "directory" ? openDirectory(resource, place.path, context) : openSsh(resource, place, context);
}

/** What people call a place: `/srv/www/debian`, `publisher@images.example.org:/srv/images`. */
export function placeText(place: PublishPlace): string {
  return place.type === "directory" ? place.path : `${place.user}@${place.host}:${place.path}`;
}

function openDirectory({ name, timeout_s }: PublishResource, path: string, context: Context): FarEnd {
  const { processes } = context.host;
  const settings = { timeout_ms: timeout_s * 1000, signal: context.signal };
  return {
    look: () => lookAtDirectory(path, name, context),
    run: async (script, words) =>
      (await processes.run({ ...settings, file: "sh", arguments: ["-s"], input: withWords(script, words) })).stdout,
    send: async (file, digest) => {
      await processes.run({ ...settings, file: "cp", arguments: ["--", file, `${path}/${INCOMING}/${digest}`] });
    },
  };
}

function openSsh(resource: PublishResource, place: Extract<PublishPlace, { type: "ssh" }>, context: Context): FarEnd {
  const { processes } = context.host;
  const settings = { timeout_ms: resource.timeout_s * 1000, signal: context.signal };
  const login = `${place.user}@${place.host}`;
  const address = place.host.includes(":") ? `${place.user}@[${place.host}]` : login;
  const run: FarEnd["run"] = async (script, words) => {
    const values = [...sshOptions(place), "--", login, "sh -s"];
    const command = { ...settings, file: "ssh", arguments: values, input: withWords(script, words) };
    return (await processes.run(command).catch((thrown) => failed(place, thrown, context))).stdout;
  };
  return {
    run,
    look: async () => readLook(await run(LOOK, [place.path]), resource.name, context.instance),
    send: async (file, digest) => {
      const shell = ["ssh", ...sshOptions(place)].join(" ");
      const to = `${address}:${place.path}/${INCOMING}/${digest}`;
      // A part that is there from before is gone on with, whatever its size and times say.
      const options = ["--inplace", "--partial", "--ignore-times", "--timeout=60", `--rsh=${shell}`];
      const command = { ...settings, file: "rsync", arguments: [...options, "--", file, to] };
      await processes.run(command).catch((thrown) => failed(place, thrown, context));
    },
  };
}

/** Nothing is read of the caller's own settings, nothing is asked, and only the key that is given proves the other's name. */
function sshOptions({ port, identityFile, knownHosts }: Extract<PublishPlace, { type: "ssh" }>): readonly string[] {
  const settings = {
    BatchMode: "yes",
    StrictHostKeyChecking: "yes",
    UserKnownHostsFile: knownHosts,
    GlobalKnownHostsFile: "none",
    IdentitiesOnly: "yes",
    IdentityAgent: "none",
    ConnectTimeout: "10",
    ServerAliveInterval: "15",
    ServerAliveCountMax: "4",
    ForwardAgent: "no",
    ControlMaster: "no",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  return ["-F", "none", "-T", "-p", String(port), "-i", identityFile, ...options];
}

function failed(place: Extract<PublishPlace, { type: "ssh" }>, thrown: unknown, { signal }: Context): never {
  signal?.throwIfAborted();
  const { message, details } = asRootloomError(thrown);
  throw new RootloomError(`cannot reach ${placeText(place)}: ${message}`, {
    hint: `its key must stand in ${place.knownHosts}, ours in its authorized_keys, and sh, rsync and sha256sum must be there`,
    retry: "transient",
    details,
    cause: thrown,
  });
}

/** A script whose positional parameters are set in itself: no shell on the way reads them. */
function withWords(script: string, words: readonly string[]): string {
  const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  return `set -- ${quoted.join(" ")}\n${script}`;
}
