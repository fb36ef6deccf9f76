import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RootloomError } from "../../src/core/error.ts";
import { createJobs } from "../../src/host/real/jobs.ts";
import { beginThread, takeBegun } from "../../src/host/real/thread.ts";

const mountNamespace = "/proc/self/ns/mnt";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rootloom-jobs-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Jobs whose thread obeys the order that is given as a manifest's name. */
function obedientJobs() {
  const jobs = createJobs({ mountNamespace, worker: new URL("slow-worker.mjs", import.meta.url) });
  return async (order: string, options: Parameters<typeof jobs.run>[2] = {}) =>
    (await jobs.run("list", { manifest: order }, options)) as unknown as { readonly threadId: number };
}

describe("jobs", () => {
  it("run the program's own functions in a thread", async () => {
    const jobs = createJobs({ mountNamespace });
    const path = join(directory, "file");
    writeFileSync(path, "content");
    expect(await jobs.run("hash", { path, cache: join(directory, "cache"), trustCache: false })).toEqual({
      sha256: "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",
      size_bytes: 7,
    });
  });

  it("can have threads made ready beforehand, which the first jobs use and which keep no process alive", async () => {
    const { threadId: last } = await obedientJobs()("thread");
    const jobs = createJobs({ mountNamespace, worker: new URL("slow-worker.mjs", import.meta.url) });
    jobs.prepare("all");
    jobs.prepare("all");
    const { threadId } = (await jobs.run("list", { manifest: "thread" })) as unknown as { readonly threadId: number };
    // Ids are given in order of start: it is one of the two that were made ready, and no third one.
    expect([last + 1, last + 2]).toContain(threadId);
    expect((await obedientJobs()("thread")).threadId).toBe(last + 1 + Math.min(2, availableParallelism()));
    const url = new URL("../../src/host/real/jobs.ts", import.meta.url).href;
    const script = `import(${JSON.stringify(url)}).then(({ createJobs }) => createJobs({ mountNamespace: "" }).prepare("all"));`;
    expect(spawnSync(process.execPath, ["-e", script], { timeout: 20_000 }).status).toBe(0);
  });

  it("take a thread that was begun before there were any", async () => {
    const { threadId: last } = await obedientJobs()("thread");
    beginThread();
    const jobs = createJobs({ mountNamespace });
    jobs.prepare("looks");
    expect(takeBegun()).toBeUndefined();
    expect((await obedientJobs()("thread")).threadId).toBe(last + 1 + Math.min(2, availableParallelism()));
    expect(await jobs.run("hash", { path: directory, cache: directory, trustCache: false })).toBeUndefined();
  });

  it("take none that is gone, or could not be begun", async () => {
    const begun = beginThread(new URL("data:text/javascript,process.exit()")) as Worker;
    await once(begun, "exit");
    expect(takeBegun()).toBeUndefined();
    expect(beginThread(new URL("http://nowhere.example/"))).toBeUndefined();
    expect(takeBegun()).toBeUndefined();
  });

  it("leave a thread that nobody takes, and that keeps no process alive", () => {
    const url = new URL("../../src/host/real/thread.ts", import.meta.url).href;
    const script = `import(${JSON.stringify(url)}).then(({ beginThread }) => void beginThread());`;
    expect(spawnSync(process.execPath, ["-e", script], { timeout: 20_000 }).status).toBe(0);
  });

  it("see the mounts of the namespace that they are given", async () => {
    const path = join(directory, "tree");
    mkdirSync(path);
    const input = { path, inode: statSync(path).ino };
    const removed = createJobs({ mountNamespace: "/no/such/namespace" }).run("remove", input);
    await expect(removed).rejects.toThrow("cannot look into the mount namespace /no/such/namespace");
    expect(existsSync(path)).toBe(true);
  });

  it("hand an error over with its hint and kind, and the thread goes on", async () => {
    const jobs = createJobs({ mountNamespace });
    const list = (manifest: string) => jobs.run("list", { manifest });
    for (const name of ["missing", "again"]) {
      await expect(list(join(directory, name))).rejects.toBeInstanceOf(RootloomError);
      await expect(list(join(directory, name))).rejects.toThrow(/^cannot /);
    }
  });

  it("use one thread again, one job after the other", async () => {
    const run = obedientJobs();
    const first = await run("now");
    const second = await run("now");
    expect(second.threadId).toBe(first.threadId);
  });

  it("that read one root go to the thread that read it before, and leave it to them where they can", async () => {
    const jobs = createJobs({ mountNamespace, worker: new URL("slow-worker.mjs", import.meta.url) });
    const run = async (job: "difference" | "list" | "hash" | "verify", order: string, root = "") => {
      const input = { manifest: order, ...(root !== "" && { layers: [{ type: "tree", path: root }] }) };
      return (await jobs.run(job, input as never)) as unknown as { readonly threadId: number };
    };
    jobs.prepare("all");
    const home = await run("difference", "now", "/one");
    const other = await run("list", "now");
    expect(other.threadId).not.toBe(home.threadId);
    const sameThread = { threadId: home.threadId };
    expect(await run("difference", "now", "/one")).toMatchObject(sameThread);
    // Something short is waited for; something long is not.
    const short = [run("hash", "wait"), run("hash", "wait")];
    expect(await run("difference", "now", "/one")).toMatchObject(sameThread);
    await Promise.all(short);
    const long = run("difference", "wait", "/one");
    expect(await run("difference", "now", "/one")).toMatchObject({ threadId: other.threadId });
    await long;
    expect(await run("difference", "now", "/one")).toMatchObject(sameThread);
    await expect(run("difference", "exit", "/one")).rejects.toThrow("its thread ended");
    jobs.prepare("all");
    const next = await run("difference", "now", "/one");
    expect((await run("list", "now")).threadId).not.toBe(next.threadId);
    expect((await run("difference", "now", "/one")).threadId).toBe(next.threadId);
  });

  it("fail, and leave nobody waiting, where no thread can be given their input", async () => {
    const jobs = createJobs({ mountNamespace, worker: new URL("slow-worker.mjs", import.meta.url) });
    const input = (order: unknown) => ({ manifest: order, layers: [{ type: "tree", path: "/one" }] }) as never;
    await expect(
      jobs.run(
        "hash",
        input(() => "no data"),
      ),
    ).rejects.toThrow("could not be cloned");
    await jobs.run("difference", input("now"));
  });

  it("that are cancelled while they wait for a thread leave it as it is", async () => {
    const jobs = createJobs({ mountNamespace, worker: new URL("slow-worker.mjs", import.meta.url) });
    const run = async (job: "difference" | "hash", order: string, signal?: AbortSignal) => {
      const input = { manifest: order, layers: [{ type: "tree", path: "/one" }] } as never;
      return (await jobs.run(job, input, { signal })) as unknown as { readonly threadId: number };
    };
    const home = await run("difference", "now");
    const abort = new AbortController();
    const short = run("hash", "wait");
    const waiting = run("difference", "now", abort.signal);
    abort.abort();
    await expect(waiting).rejects.toThrow("cancelled");
    await short;
    expect(await run("difference", "now")).toMatchObject({ threadId: home.threadId });
  });

  it("take no more threads than there are processors", async () => {
    const run = obedientJobs();
    const answers = await Promise.all(Array.from({ length: 8 }, () => run("wait")));
    const threads = new Set(answers.map(({ threadId }) => threadId));
    expect(threads.size).toBeLessThanOrEqual(availableParallelism());
  });

  it("tell of progress", async () => {
    const seen: number[][] = [];
    await obedientJobs()("progress", { onProgress: (...counts) => seen.push(counts) });
    expect(seen).toEqual([[1, 2]]);
  });

  it("end at once when they are cancelled, and write nothing after", async () => {
    const run = obedientJobs();
    const file = join(directory, "growing");
    const abort = new AbortController();
    const running = run(`write-for-ever ${file}`, { signal: abort.signal });
    const refused = expect(running).rejects.toMatchObject({ message: 'cannot finish the job "list": cancelled' });
    while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 10));
    abort.abort();
    await refused;
    const { size } = statSync(file);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(statSync(file).size).toBe(size);
    await run("now");
  });

  it("that wait for their turn are cancelled without taking it", async () => {
    const run = obedientJobs();
    const abort = new AbortController();
    const running = Array.from({ length: availableParallelism() }, () => run("wait"));
    const waiting = run("now", { signal: abort.signal });
    const refused = expect(waiting).rejects.toThrow("cancelled");
    abort.abort();
    await refused;
    await Promise.all(running);
    await Promise.all(running.map(() => run("now")));
  });

  it.each(["exit", "throw"])("fail for the time being when their thread dies: %s", async (order) => {
    const run = obedientJobs();
    await expect(run(order)).rejects.toMatchObject({ retry: "transient" });
    await run("now");
  });

  it("leave an idle thread that does not keep the process alive", () => {
    const module = new URL("../../src/host/real/jobs.ts", import.meta.url).pathname;
    const script = `import { createJobs } from ${JSON.stringify(module)};
      const jobs = createJobs({ mountNamespace: "/proc/self/ns/mnt" });
      await jobs.run("hash", { path: "/no-such-file", cache: ${JSON.stringify(directory)}, trustCache: false });
      console.log("done");`;
    const program = join(directory, "program.mjs");
    writeFileSync(program, script);
    const finished = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", program], {
      encoding: "utf8",
      timeout: 20_000,
    });
    expect([finished.status, finished.stdout]).toEqual([0, "done\n"]);
  });
});
