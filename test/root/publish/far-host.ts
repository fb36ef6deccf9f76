import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { project, type Ran, type Site } from "../../kit.ts";

/** Another machine: an sshd of its own on the loopback device, which knows one key and nothing of this host's settings. */
export interface FarHost {
  readonly port: number;
  readonly identityFile: string;
  readonly knownHosts: string;
  /** Lets one rsync pass; the next gets only this much of what is sent, and ends. */
  cutSecond(bytes: number): void;
  /** Each command that was run there. */
  commands(): readonly string[];
  /** Another host key, on the same port. */
  changeHostKey(): Promise<void>;
  stop(): Promise<void>;
}

export async function startFarHost(directory: string): Promise<FarHost> {
  mkdirSync(directory, { recursive: true });
  const at = (name: string): string => join(directory, name);
  const port = await freePort();
  for (const name of ["host", "user"]) makeKey(at(name));
  writeFileSync(
    at("command"),
    `#!/bin/sh
echo "$SSH_ORIGINAL_COMMAND" >>${at("commands")}
case $SSH_ORIGINAL_COMMAND in rsync*) if [ -f ${at("cut")} ]; then
  if [ ! -f ${at("passed")} ]; then : >${at("passed")}; else
    bytes=$(cat ${at("cut")})
    rm ${at("cut")}
    perl -e 'while ($ARGV[0] > 0 and $n = sysread STDIN, $part, $ARGV[0]) { syswrite STDOUT, $part; $ARGV[0] -= $n }' "$bytes" |
      sh -c "$SSH_ORIGINAL_COMMAND"
    exit 1
  fi
fi ;; esac
exec sh -c "$SSH_ORIGINAL_COMMAND"
`,
  );
  chmodSync(at("command"), 0o755);
  const key = readFileSync(at("user.pub"), "utf8").trim();
  writeFileSync(at("authorized_keys"), `command="${at("command")}",restrict ${key}\n`);
  const know = (): void =>
    writeFileSync(at("known_hosts"), `[127.0.0.1]:${port} ${readFileSync(at("host.pub"), "utf8")}`);
  know();
  writeFileSync(
    at("config"),
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${at("host")}`,
      `AuthorizedKeysFile ${at("authorized_keys")}`,
      "PermitRootLogin prohibit-password",
      "PasswordAuthentication no",
      "StrictModes no",
      "UsePAM no",
      "PidFile none",
      "",
    ].join("\n"),
  );
  let daemon = await listening(at("config"));
  return {
    port,
    identityFile: at("user"),
    knownHosts: at("known_hosts"),
    cutSecond: (bytes) => writeFileSync(at("cut"), String(bytes)),
    commands: () => readFileSync(at("commands"), "utf8").trim().split("\n"),
    changeHostKey: async () => {
      await end(daemon);
      makeKey(at("host"));
      daemon = await listening(at("config"));
    },
    stop: () => end(daemon),
  };
}

function makeKey(path: string): void {
  execFileSync("sh", ["-c", 'rm -f "$1" "$1.pub"; ssh-keygen -q -t ed25519 -N "" -C test -f "$1"', "sh", path]);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Its directory in /run is on a file system of its own: nothing of it is left on this host. */
async function listening(config: string): Promise<ChildProcess> {
  const script = 'mount -t tmpfs none /run && mkdir -m 0755 /run/sshd && exec "$(command -v sshd)" -D -e -f "$1"';
  const words = ["--mount", "--propagation", "private", "--", "sh", "-c", script, "sh", config];
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  const child = spawn("unshare", words, { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, PATH: path } });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on("data", (part) => {
      said += String(part);
      if (said.includes("Server listening")) resolve();
    });
    child.once("exit", () => reject(new Error(`sshd ended: ${said}`)));
  });
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await gone;
}

const LIMITED = `set -e
mkdir -p "$SITE/etc/upper/rootloom" "$SITE/etc/work"
printf '%s' "$LIMITS" > "$SITE/etc/upper/rootloom/limits.yaml"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$SITE/etc/upper,workdir=$SITE/etc/work" /etc
exec "$@"`;

/** Runs the program on a host with a limits file: its /etc is an overlay, in a namespace of its own. */
export function runLimited(site: Site, limits: string, ...words: readonly string[]): Ran {
  const flags = ["--desired", join(site.directory, "desired"), "--mount-namespace", "/proc/self/ns/mnt"];
  const inside = ["sh", "-c", LIMITED, "sh", join(project, "src/rootloom"), ...flags, ...words];
  const places = { SITE: site.directory, ROOTLOOM_STATE: site.state, ROOTLOOM_CACHE: site.cache, NO_COLOR: "1" };
  const { status, stdout, stderr } = spawnSync("unshare", ["--mount", "--propagation", "private", "--", ...inside], {
    env: { ...process.env, ...places, LIMITS: limits },
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return { exitCode: status ?? -1, stdout, stderr };
}
