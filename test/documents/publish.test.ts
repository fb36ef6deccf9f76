import { describe, expect, it } from "vitest";
import { checkValues } from "../../src/documents/values.ts";

function problemsOf(publish: object): readonly string[] {
  const document = {
    kind: "Image",
    name: "a",
    spec: { root: "r", publish },
    locate: (path: readonly (string | number)[]) => ({ file: path.join("."), line: 1, column: 1 }),
  };
  return checkValues(document as never).map(({ file, message }) => `${file.replace("spec.publish", "")}: ${message}`);
}

const ssh = {
  host: "images.example.org",
  path: "/srv/a",
  user: "publisher",
  identityFile: "/etc/k",
  knownHosts: "/etc/h",
};

describe("where an image is published", () => {
  it.each([
    [{ directory: "/srv/www/a b" }],
    [{ ssh, keep: 5, timeout: "10m", recheck: "1h", sign: { gpg: "/etc/key.asc" } }],
    [{ ssh: { ...ssh, host: "::1", port: 2222 }, sign: { minisign: "/etc/minisign.key" } }],
  ])("takes %j", (publish) => expect(problemsOf(publish)).toEqual([]));

  it.each([
    [{}, [": cannot publish it: it needs one place"]],
    [{ directory: "/srv/a", ssh }, [": cannot publish it: it needs one place"]],
    [{ directory: "srv/a" }, [".directory: cannot use `srv/a`: it is not absolute"]],
    [{ directory: "/srv/a", sign: {} }, [".sign: cannot sign what is published: it needs one key"]],
    [{ directory: "/srv/a", timeout: "soon" }, [".timeout: cannot read the time `soon`"]],
    [
      { ssh: { ...ssh, host: "-oProxyCommand=x", user: "-l", path: "/srv/$(id)", identityFile: "/etc/a key" } },
      [
        ".ssh.host: cannot use the machine `-oProxyCommand=x`",
        ".ssh.user: cannot log in as `-l`",
        ".ssh.path: cannot use `/srv/$(id)`: it has a character that ssh may not get",
        ".ssh.identityFile: cannot use `/etc/a key`: it has a character that ssh may not get",
      ],
    ],
  ])("refuses %j, and says where", (publish, problems) => expect(problemsOf(publish)).toEqual(problems));
});
