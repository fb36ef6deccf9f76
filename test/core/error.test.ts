import { describe, expect, it } from "vitest";
import { asRootloomError, RootloomError } from "../../src/core/error.ts";

describe("an error", () => {
  it("is for good, without a hint, unless it says otherwise", () => {
    const error = new RootloomError("cannot mount /x: it is busy");
    expect({ ...error }).toEqual({
      ...{ name: "RootloomError", hint: undefined, retry: "terminal", condition: undefined, details: [] },
    });
    expect(error.message).toBe("cannot mount /x: it is busy");
    expect(Object.hasOwn(error, "cause")).toBe(false);
  });

  it("says what to do, whether it is tried again, what it waits for, what it comes from and what a command printed", () => {
    const cause = new Error("EBUSY");
    const said = { hint: "stop it", retry: "waiting", condition: "Waiting", details: ["line"] } as const;
    const error = new RootloomError("cannot mount /x", { ...said, cause });
    expect(error).toMatchObject(said);
    expect(error.cause).toBe(cause);
  });

  it("passes through a wrapper as it is", () => {
    const error = new RootloomError("cannot mount /x", { retry: "transient" });
    expect(asRootloomError(error)).toBe(error);
  });

  it.each([
    [new TypeError("x is not a function"), "x is not a function"],
    ["a text", "a text"],
    [undefined, "undefined"],
  ])("wraps %s for good, with its own message", (thrown, message) => {
    const error = asRootloomError(thrown);
    expect(error).toBeInstanceOf(RootloomError);
    expect(error).toMatchObject({ message, retry: "terminal" });
    expect(error.cause).toBe(thrown);
  });
});
