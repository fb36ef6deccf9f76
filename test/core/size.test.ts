import { expect, it } from "vitest";
import { sizeText } from "../../src/core/size.ts";

it.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1536, "1.5 KiB"],
  [50_541_363, "48.2 MiB"],
  [2 * 1024 ** 3, "2.0 GiB"],
  [1024 ** 4, "1.0 TiB"],
  [3000 * 1024 ** 4, "3000.0 TiB"],
])("%d bytes are shown as %s", (size_bytes, text) => expect(sizeText(size_bytes)).toBe(text));
