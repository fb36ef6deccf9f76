import { describe, expect, it } from "vitest";
import { markerOf, whyAlien, whyForeign } from "../../../src/resources/volume/backends/lvm/marker.ts";
import { type LogicalVolume, parseGroups, parseVolumes } from "../../../src/resources/volume/backends/lvm/parse.ts";

const instance = "0123456789abcdef0123456789abcdef";
const uuid = "f1osbT-HjCR-hejj-Sf1w-McVd-LHet-PlxWo6";
const tag = `rootloom/${instance}/${uuid}/ext4/c036b1c8-f02b-40be-9c13-cd3779529656/debian`;

/** As `lvs --reportformat json --units b --nosuffix` of LVM 2.03.16 printed it. */
const row = {
  lv_name: "a-b",
  lv_uuid: uuid,
  lv_size: "104857600",
  lv_attr: "-wi-ao----",
  lv_tags: `note,${tag}`,
  origin: "",
  origin_size: "",
  pool_lv: "",
  lv_path: "/dev/vg00/a-b",
  lv_dm_path: "/dev/mapper/vg00-a--b",
  vg_name: "vg00",
  vg_free: "968884224",
  vg_extent_size: "4194304",
};

function parsed(more: Partial<typeof row> = {}): LogicalVolume {
  const [found] = parseVolumes(JSON.stringify({ report: [{ lv: [{ ...row, ...more }] }] }));
  if (found === undefined) throw new Error("nothing was read");
  return found;
}

describe("what LVM reports", () => {
  it("is read with its group, state and exact sizes", () => {
    expect(parsed()).toMatchObject({
      group: "vg00",
      name: "a-b",
      size_bytes: 104_857_600,
      content_bytes: 104_857_600,
      type: "-",
      isActive: true,
      isSuspended: false,
      mapperPath: "/dev/mapper/vg00-a--b",
      inGroup: { name: "vg00", free_bytes: 968_884_224, extent_bytes: 4_194_304 },
    });
  });

  it("tells inactive and suspended volumes from active ones, and a snapshot's content from its room", () => {
    expect(parsed({ lv_attr: "-wi-------" }).isActive).toBe(false);
    expect(parsed({ lv_attr: "-wi-s-----" })).toMatchObject({ isActive: true, isSuspended: true });
    expect(parsed({ lv_attr: "swi-a-s---", origin: "a", origin_size: "50", lv_size: "60" })).toMatchObject({
      size_bytes: 60,
      content_bytes: 50,
    });
  });

  it("may hold no group, and is refused where it is no JSON", () => {
    expect(parseGroups('{"report":[{"vg":[]}]}')).toEqual([]);
    expect(() => parseVolumes("LV VG")).toThrow(/it is no JSON/);
  });
});

describe("a logical volume's tag", () => {
  const volume = { name: "debian", backend: "lvm", path: "/srv/debian", device: "vg00/a-b" } as const;
  const looking = { instance } as Parameters<typeof whyForeign>[2];
  const why = (lv_tags: string) => whyForeign(parsed({ lv_tags }), volume, looking);

  it("says whose it is, for its own uuid only", () => {
    expect(why(tag)).toBeUndefined();
    expect(why("note")).toBe("not made by Rootloom");
    expect(why(tag.replace("f1osbT", "xxxxxx"))).toBe("a copy: its marker names another object");
    expect(why(tag.replace("0123", "9999"))).toMatch(/^made by another installation \(9999/);
    expect(why(tag.replace("/debian", "/other"))).toBe("marked as volume other");
    expect(why(`${tag}/2026-11-21T11:39:59.998Z/first`)).toBe("a snapshot of volume debian");
  });

  it("counts for nothing where it is half a tag, or one of two", () => {
    expect(markerOf(parsed({ lv_tags: "rootloom/half" }))).toBeUndefined();
    expect(whyAlien(parsed({ lv_tags: `${tag},${tag.replace("debian", "x")}` }), looking)).toBe(
      "marked by something that cannot be read",
    );
  });
});
