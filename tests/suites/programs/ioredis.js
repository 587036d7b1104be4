// ioredis at work. Prints what it got, one JSON line a step; the runner compares the lines of two servers.
const Redis = require("ioredis");

const url = process.argv[2];
const show = (step, value) => console.log(step, JSON.stringify(value));
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));

async function strings(redis) {
  show("set", await redis.set("greeting", "hello", "EX", 100));
  show("get", [await redis.get("greeting"), await redis.get("none"), await redis.ttl("greeting")]);
  const bytes = Buffer.from([0, 1, 13, 10, 255]);
  await redis.set(Buffer.from("bin\0key"), bytes);
  show("buffer", (await redis.getBuffer("bin\0key")).equals(bytes));
  show("large", (await redis.set("large", "x".repeat(3 << 20)), (await redis.get("large")).length));
  show("mget", await redis.mget("greeting", "none", "large").then((all) => all.map((one) => one && one.length)));
  try {
    await redis.lpush("greeting", 1);
  } catch (error) {
    show("error", [error.name, error.message]);
  }
}

async function pipelines(redis) {
  const pipeline = redis.pipeline();
  for (let i = 0; i < 1000; i++) pipeline.rpush("list", i).llen("list");
  const results = await pipeline.exec();
  show("pipeline", [results.length, results[1999]]);
  show("multi", await redis.multi().incr("n").incrby("n", 5).get("n").exec());
  const failing = await redis.multi().set("k", "v").lpop("k").get("k").exec();
  show("failing", failing.map(([error, value]) => (error ? error.message : value)));
  const other = redis.duplicate();
  await redis.watch("n");
  await other.set("n", 100);
  show("watched", await redis.multi().set("n", 0).exec());
  const auto = redis.duplicate({ enableAutoPipelining: true });
  show("autopipeline", await Promise.all(Array.from({ length: 300 }, (_, i) => auto.lindex("list", i))).then((all) => all.slice(-2)));
  await Promise.all([other.quit(), auto.quit()]);
}

async function collections(redis) {
  await redis.hset("hash", { a: 1, b: "two", c: 3.5 });
  show("hgetall", await redis.hgetall("hash"));
  await redis.zadd("zset", 1, "a", 2.5, "b", "-inf", "c");
  show("zrange", await redis.zrange("zset", 0, -1, "WITHSCORES"));
  await redis.sadd("set", ...Array.from({ length: 500 }, (_, i) => `member:${i}`));
  const found = new Set();
  for await (const some of redis.sscanStream("set", { match: "member:*", count: 50 })) some.forEach((one) => found.add(one));
  show("sscan", found.size);
  let keys = 0;
  for await (const some of redis.scanStream({ count: 3 })) keys += some.length;
  show("scan", keys);
  show("geo", (await redis.geoadd("geo", 13.361389, 38.115556, "Palermo"), await redis.geopos("geo", "Palermo")));
}

async function waiting(redis) {
  const waiter = redis.duplicate();
  const popped = waiter.blpop("queue", 20);
  while (!/blocked_clients:1\b/.test(await redis.info("clients"))) await new Promise((r) => setTimeout(r, 5));
  await redis.rpush("queue", "job");
  show("blpop", await popped);
  show("timeout", await waiter.blpop("queue", 0.05));
  await redis.xgroup("CREATE", "stream", "workers", "$", "MKSTREAM");
  const read = waiter.xreadgroup("GROUP", "workers", "me", "BLOCK", 20000, "STREAMS", "stream", ">");
  while (!/blocked_clients:1\b/.test(await redis.info("clients"))) await new Promise((r) => setTimeout(r, 5));
  const id = await redis.xadd("stream", "*", "field", "value");
  const [[name, [[readId, fields]]]] = await read;
  show("stream", [name, readId === id, fields, await redis.xack("stream", "workers", id)]);
  await waiter.quit();
}

async function messages(redis) {
  const subscriber = redis.duplicate();
  show("subscribe", [await subscriber.subscribe("news", "sport"), await subscriber.psubscribe("w*")]);
  const message = once(subscriber, "message");
  const patterned = once(subscriber, "pmessage");
  show("publish", [await redis.publish("news", "hello"), await redis.publish("weather", "rain"), await redis.publish("x", 1)]);
  show("messages", [await message, await patterned]);
  await subscriber.quit();
}

async function scripts(redis) {
  redis.defineCommand("addAll", { numberOfKeys: 1, lua: "local s = 0 for _, v in ipairs(ARGV) do s = s + v end redis.call('SET', KEYS[1], s) return s" });
  show("script", [await redis.addAll("sum", 1, 2, 3), await redis.addAll("sum", 4), await redis.get("sum")]);
}

async function main() {
  const redis = new Redis(url);
  await redis.flushall();
  for (const part of [strings, pipelines, collections, waiting, messages, scripts]) await part(redis);
  show("quit", await redis.quit());
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
