import "../../own-modules.ts";

/** Where a thread begins. */
await import("./serve.ts");
