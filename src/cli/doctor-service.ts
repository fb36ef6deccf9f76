import { asRootloomError } from "../core/error.ts";
import type { Session } from "../pass/types.ts";
import type { Finding } from "./doctor.ts";

/** Where this one may not be looked at, the command's own is taken for it. */
const DEFAULT_NAMESPACE = "/proc/1/ns/mnt";
const UNITS = [
  "/etc/systemd/system",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
];

/** Whether passes run by themselves on this host. */
export async function unitFinding({ host }: Session): Promise<Finding> {
  const check = "service";
  const unit = UNITS.map((folder) => `${folder}/rootloom.service`).find((path) => host.files.stat(path) !== undefined);
  if (unit === undefined) {
    const message = "no systemd unit is installed: passes run by hand only";
    return { check, status: "note", message, hint: "install it as systemd/README.md says" };
  }
  const command = { file: "systemctl", arguments: ["is-active", "rootloom.service"], accept: [0, 1, 3, 4] } as const;
  if (host.files.stat("/run/systemd/system") === undefined || host.processes.find("systemctl") === undefined) {
    return { check, status: "note", message: `${unit} is installed; systemd does not run here`, hint: "" };
  }
  try {
    const state = (await host.processes.run(command)).stdout.trim();
    if (state === "active") return { check, status: "ok", message: `${unit}: active`, hint: "" };
    const hint = state === "failed" ? "journalctl -u rootloom" : "systemctl enable --now rootloom";
    return { check, status: "warning", message: `${unit} is installed, and ${state}`, hint };
  } catch (thrown) {
    return { check, status: "warning", message: asRootloomError(thrown).message, hint: "systemctl status rootloom" };
  }
}

/** Where host mounts are made, beside where this command runs. */
export function namespaceFinding({ host, configuration }: Session): Finding {
  const check = "mounts";
  const file = configuration.mountNamespace;
  try {
    const wanted = host.files.readLink(file);
    const own = host.files.readLink("/proc/self/ns/mnt");
    if (wanted === undefined) {
      const hint = "give the file of a mount namespace: --mount-namespace /proc/1/ns/mnt";
      return { check, status: "error", message: `there is no mount namespace ${file}`, hint };
    }
    if (wanted === own) return { check, status: "ok", message: `host mounts are made in ${file}, this one`, hint: "" };
    const message = `host mounts are made in ${file} (${wanted}); this command runs in another (${own})`;
    return { check, status: "note", message, hint: "what it mounts is not seen from here: nsenter --mount" };
  } catch (thrown) {
    const { message } = asRootloomError(thrown);
    if (file !== DEFAULT_NAMESPACE) return { check, status: "error", message, hint: "check --mount-namespace" };
    return {
      check,
      status: "note",
      message: `host mounts are made in the namespace of this command: ${message}`,
      hint: "",
    };
  }
}
