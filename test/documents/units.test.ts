import { describe, expect, it } from "vitest";
import { nearest } from "../../src/documents/nearest.ts";
import { parseDate, parseInterval, parseMode, parseOwner, parseSize } from "../../src/documents/units.ts";

describe("texts of documents", () => {
  it.each([
    ["10GiB", 10 * 1024 ** 3],
    ["512M", 512 * 1024 ** 2],
    ["1.5K", 1536],
    ["10GB", 10 ** 10],
    [4096, 4096],
    ["0", undefined],
    ["-1", undefined],
    ["10 apples", undefined],
    ["9999999TiB", undefined],
  ])("size %j is %j bytes", (size, bytes) => expect(parseSize(size)).toBe(bytes));

  it.each([
    ["0755", 0o755],
    ["4755", 0o4755],
    ["600", 0o600],
    ["07777", 0o7777],
    ["0888", undefined],
    ["77777", undefined],
    ["rwx", undefined],
  ])("mode %j is %j", (mode, bits) => expect(parseMode(mode)).toBe(bits));

  it.each([
    ["root:adm", { owner: "root", group: "adm" }],
    ["0:101", { owner: 0, group: 101 }],
    ["root", undefined],
    ["4294967295:0", undefined],
    ["a:b:c", undefined],
  ])("owner %j is %j", (owner, ownership) => expect(parseOwner(owner)).toEqual(ownership));

  it.each([
    [0, 0],
    ["1970-01-02", 86_400],
    ["2024-06-01T12:00:00+02:00", 1_717_236_000],
    ["2024-02-30", undefined],
    ["June", undefined],
    [-1, undefined],
    [2 ** 32, undefined],
  ])("date %j is %j seconds", (date, seconds) => expect(parseDate(date)).toBe(seconds));

  it.each([
    ["60s", 60],
    ["5m", 300],
    ["1h", 3600],
    ["30d", 2_592_000],
    ["0s", undefined],
    ["60", undefined],
  ])("interval %j is %j seconds", (interval, seconds) => expect(parseInterval(interval)).toBe(seconds));

  it("finds the nearest word, with a swap of neighbours as one mistake, and none that is far", () => {
    expect(nearest("debain", ["debian", "devuan"])).toBe("debian");
    expect(nearest("backned", ["backend", "path"])).toBe("backend");
    expect(nearest("gentoo", ["debian"])).toBeUndefined();
  });
});

it.each([parseSize, parseMode, parseOwner, parseDate, parseInterval])(
  "%o reads nothing where nothing is written",
  (read) => {
    expect(read(undefined)).toBeUndefined();
  },
);
