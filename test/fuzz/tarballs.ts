import { RootloomError } from "../../src/core/error.ts";
import { readTar, type TarEntry } from "../../src/pack/tar.ts";
import { mutate, type Random } from "./random.ts";

const MEMBERS_MAX = 10_000;

export interface Member {
  readonly path?: string;
  readonly flag?: string;
  readonly target?: string;
  readonly content?: string | Buffer;
  /** As it stands in the header: octal digits, or bytes. */
  readonly size?: string | Buffer;
  readonly mode?: string;
}

/** A tarball made byte by byte, so that it can say what no tool would write. */
export function tar(...members: readonly Member[]): Buffer {
  return Buffer.concat([...members.flatMap(memberBlocks), Buffer.alloc(1024)]);
}

/** Content of a pax header: `LENGTH KEY=VALUE`. */
export function pax(values: Readonly<Record<string, string>>): string {
  const records = Object.entries(values).map(([key, value]) => {
    const body = ` ${key}=${value}\n`;
    const digits = String(body.length).length;
    const length = body.length + digits;
    return `${String(length).length > digits ? length + 1 : length}${body}`;
  });
  return records.join("");
}

function memberBlocks({ path = "a", flag = "0", target = "", content = "", size, mode = "0000644" }: Member): Buffer[] {
  const header = Buffer.alloc(512);
  const body = Buffer.from(content as string, "latin1");
  header.write(path, 0, 100, "latin1");
  header.write(mode, 100, "latin1");
  for (const offset of [108, 116]) header.write("0000000", offset, "latin1");
  const written = size ?? body.length.toString(8).padStart(11, "0");
  Buffer.from(written as string, "latin1").copy(header, 124, 0, 12);
  header.write("00000000000", 136, "latin1");
  header.write(flag, 156, "latin1");
  header.write(target, 157, 100, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  return [sealed(header), Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)])];
}

function sealed(header: Buffer): Buffer {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/** Lists a tarball as the packer does. @throws when a promise about hostile tarballs is broken. */
export function list(bytes: Buffer): {
  readonly members: readonly TarEntry[];
  readonly error: RootloomError | undefined;
} {
  const members: TarEntry[] = [];
  try {
    for (const member of readTar((into, position) => bytes.subarray(position).copy(into), "hostile.tar")) {
      members.push(member);
      checkMember(member);
      if (members.length > MEMBERS_MAX) throw new Error("it never ends");
    }
  } catch (thrown) {
    if (!(thrown instanceof RootloomError)) throw thrown;
    return { members, error: thrown };
  }
  return { members, error: undefined };
}

function checkMember(member: TarEntry): void {
  for (const path of [member.path, member.type === "hardlink" ? member.target : ""]) {
    if (path.startsWith("/") || path.split("/").includes("..")) throw new Error(`leads out: ${path}`);
  }
  const { size, owner, group, mode, major, minor, offset } = member;
  if (![size, owner, group, mode, major, minor, offset].every(Number.isSafeInteger) || size < 0) {
    throw new Error(`not a number: ${JSON.stringify(member)}`);
  }
}

/** Whole members with odd fields, then bytes changed; half of the time the header sums are made right again. */
export function fuzzTarballs(random: Random): void {
  const odd = Array.from({ length: 1 + random.below(6) }, () => oddMember(random));
  const bytes = random.chance(0.7) ? mutate(tar(...odd), random) : tar(...odd);
  if (random.chance(0.5)) for (let at = 0; at + 512 <= bytes.length; at += 512) sealed(bytes.subarray(at, at + 512));
  list(bytes);
}

function oddMember(random: Random): Member {
  const path = random.pick(["a", "a/b", "./", "", "/etc/x", "../x", "a/../../x", "x".repeat(100), "a/"]);
  const flag = random.pick(["0", "1", "2", "3", "4", "5", "6", "7", "x", "g", "L", "K", "S", "V", "\0"]);
  const key = random.pick([
    "path",
    "linkpath",
    "size",
    "uid",
    "mtime",
    "GNU.sparse.map",
    "__proto__",
    "SCHILY.xattr.a",
  ]);
  const value = random.pick(["-1", "1e9", "NaN", "Infinity", "..", "/x", "0.5", "9".repeat(30), "a\0b", ""]);
  const isPax = flag === "x" || flag === "g";
  const content = isPax && random.chance(0.8) ? pax({ [key]: value }) : random.bytes(random.below(600));
  const size = random.pick<Member["size"]>([
    undefined,
    undefined,
    "77777777777",
    "-1",
    "zz",
    Buffer.alloc(12, 0xff),
    Buffer.from([0x80, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]),
  ]);
  return {
    path,
    flag,
    content,
    target: random.pick(["", "a", "../x", "/etc/passwd"]),
    ...(size === undefined ? {} : { size }),
  };
}
