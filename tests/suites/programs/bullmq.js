// BullMQ at work: a thousand jobs with priorities, one that is delayed, one that fails at first, through four workers.
// Prints how many were done, lost or done twice. All of its queue is Lua scripts.
"use strict";
const { Queue, Worker } = require("bullmq");

const url = new URL(process.argv[2]);
const connection = { host: url.hostname, port: Number(url.port) };
const JOBS = 1000;

async function main() {
  const queue = new Queue("work", { connection });
  await queue.obliterate({ force: true }).catch(() => {});
  const jobs = [...Array(JOBS).keys()].map((number) => ({
    name: "double", data: { number }, opts: { attempts: 3, priority: number % 5 },
  }));
  await queue.addBulk(jobs);
  await queue.add("late", { number: JOBS }, { delay: 300 });
  await queue.add("fails first", { number: JOBS + 1 }, { attempts: 2, backoff: { type: "fixed", delay: 50 } });
  const seen = new Map();
  let completed = 0;
  let finish;
  const over = new Promise((resolve) => { finish = resolve; });
  const work = async (job) => {
    if (job.name === "fails first" && job.attemptsMade === 0) throw new Error("first");
    seen.set(job.data.number, (seen.get(job.data.number) || 0) + 1);
    return job.data.number * 2;
  };
  const workers = [0, 1, 2, 3].map(() => new Worker("work", work, { connection, concurrency: 5 }));
  for (const worker of workers) {
    worker.on("completed", (job, result) => {
      if (result !== job.data.number * 2) console.log("wrong result of", job.data.number);
      completed += 1;
      if (completed === JOBS + 2) finish();
    });
    worker.on("error", (error) => console.log("error:", error.message));
  }
  await Promise.race([over, new Promise((resolve) => { setTimeout(resolve, 120000); })]);
  console.log("completed", completed, "distinct", seen.size);
  console.log("twice", [...seen.values()].filter((times) => times > 1).length);
  console.log(JSON.stringify(await queue.getJobCounts()));
  for (const worker of workers) await worker.close();
  await queue.close();
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
