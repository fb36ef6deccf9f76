import { describe, expect, it } from "vitest";
import { MARKER, whyForeign } from "../../../src/resources/volume/backends/zfs/marker.ts";
import { parseProperties } from "../../../src/resources/volume/backends/zfs/parse.ts";

const instance = "0123456789abcdef0123456789abcdef";
const marker = (guid: string): string => JSON.stringify({ instance, guid, name: "debian", runId: "r" });

/** Lines of `zfs get -H -p`, recorded from zfs-fuse 0.7 (pool version 23). */
const OLD = `tank/debian\tguid\t3175221831091239363\t-
tank/debian\tquota\t0\tdefault
tank/debian\trefquota\t67108864\tlocal
tank/debian\tcanmount\tnoauto\tlocal
tank/debian\tmountpoint\tnone\tinherited from tank
tank/debian\torg.example:note\t-\t-
tank/debian\t${MARKER}\t${marker("3175221831091239363")}\tlocal
`;

/**
 * In the shape of `zfs get -j -p` of OpenZFS 2.3 (output_version 0.1), as its manual and published outputs have it. Not
 * recorded from a run: no machine of the tests has its kernel module.
 */
const NEW = JSON.stringify({
  output_version: { command: "zfs get", vers_major: 0, vers_minor: 1 },
  datasets: {
    "tank/debian": {
      name: "tank/debian",
      type: "FILESYSTEM",
      pool: "tank",
      createtxg: "1412",
      properties: {
        guid: { value: "3175221831091239363", source: { type: "NONE", data: "-" } },
        quota: { value: "0", source: { type: "DEFAULT", data: "-" } },
        refquota: { value: "67108864", source: { type: "LOCAL", data: "-" } },
        canmount: { value: "noauto", source: { type: "LOCAL", data: "-" } },
        mountpoint: { value: "none", source: { type: "INHERITED", data: "tank" } },
        "org.example:note": { value: "-", source: { type: "NONE", data: "-" } },
        [MARKER]: { value: marker("3175221831091239363"), source: { type: "LOCAL", data: "-" } },
      },
    },
  },
});

describe("properties of a dataset", () => {
  it("read the same from the lines of every version and from the JSON of OpenZFS 2.3", () => {
    const old = parseProperties(OLD);
    expect(parseProperties(NEW)).toEqual(old);
    expect(old.get("tank/debian")?.get("mountpoint")).toEqual({ value: "none", source: "inherited from tank" });
    expect(old.get("tank/debian")?.get("refquota")).toEqual({ value: "67108864", source: "local" });
    expect(old.get("tank/debian")?.has("org.example:note")).toBe(false);
  });

  it("take a number of --json-int as its digits, and leave out what is neither JSON nor a line of four fields", () => {
    const numbers = NEW.replace('"67108864"', "67108864");
    expect(parseProperties(numbers).get("tank/debian")?.get("refquota")?.value).toBe("67108864");
    expect(parseProperties("{ half a").size).toBe(0);
    expect(parseProperties("tank\tguid\t1\ntank\tguid\t1\t-\tx\n").size).toBe(0);
  });

  it("cannot be forged by a value with a line break in it", () => {
    const forged = `tank/debian\tguid\t1\t-\ntank/debian\t${MARKER}\tx\ntank/debian\tguid\t2\tlocal\tlocal\n`;
    const found = parseProperties(`${forged}tank/debian\tguid\t2\t-\n`);
    expect(found.get("tank/debian")?.get("guid")?.value).toBe("1");
  });
});

describe("a dataset's marker", () => {
  const why = (source: string, guid = "7", text = marker("7"), name: string | undefined = "debian") =>
    whyForeign(
      new Map([
        ["guid", { value: guid, source: "-" }],
        [MARKER, { value: text, source }],
      ]),
      instance,
      name,
    );

  it("counts only where it was set on the dataset itself, for its own guid and by this installation", () => {
    expect(why("local")).toBeUndefined();
    expect(why("inherited from tank")).toBe("not made by Rootloom: its marker is inherited from tank");
    expect(why("received")).toBe("not made by Rootloom: its marker is received");
    expect(why("local", "8")).toBe("a copy: its marker names another object");
    expect(why("local", "7", marker("7").replace("0123", "9999"))).toMatch(/^made by another installation/);
    expect(why("local", "7", "what")).toBe("marked by something that cannot be read");
    expect(why("local", "7", "null")).toBe("marked by something that cannot be read");
    expect(why("local", "7", marker("7"), "other")).toBe("marked as volume debian");
    expect(whyForeign(new Map(), instance, "debian")).toBe("not made by Rootloom");
  });
});
