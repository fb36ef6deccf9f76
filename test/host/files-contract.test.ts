import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFakeHost } from "../../src/host/fake/host.ts";
import { createFiles } from "../../src/host/real/files.ts";
import { filesContract } from "./contract.ts";

filesContract("the fake files", () => {
  const host = createFakeHost({ seed: 1 });
  host.outside.files.makeDirectories("/srv/trial");
  return { files: host.files, directory: "/srv/trial", close: () => host.crash("kill") };
});

filesContract("the real files", () => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "rootloom-contract-")));
  return {
    files: createFiles({ mountNamespace: "/proc/self/ns/mnt" }),
    directory,
    // Nothing in this test mounts anything.
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
});
