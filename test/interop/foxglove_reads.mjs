// Reads bags with the libraries that Foxglove and Lichtblick read them with: every message of every topic is decoded. See README.md beside it.
//
// node foxglove_reads.mjs BAG.mcap…

import { open } from "node:fs/promises";

import { parse } from "@foxglove/rosmsg";
import { MessageReader } from "@foxglove/rosmsg2-serialization";
import { McapIndexedReader } from "@mcap/core";
import { FileHandleReadable } from "@mcap/nodejs";
import { loadDecompressHandlers } from "@mcap/support";

const decompressHandlers = await loadDecompressHandlers();
for (const path of process.argv.slice(2)) {
  const file = await open(path, "r");
  const bag = await McapIndexedReader.Initialize({ readable: new FileHandleReadable(file), decompressHandlers });
  const readers = new Map();
  for (const channel of bag.channelsById.values()) {
    const schema = bag.schemasById.get(channel.schemaId);
    if (channel.messageEncoding !== "cdr" || schema.encoding !== "ros2msg") {
      throw new Error(`${channel.topic}: ${channel.messageEncoding}, ${schema.encoding}; wanted: cdr, ros2msg`);
    }
    readers.set(channel.id, new MessageReader(parse(new TextDecoder().decode(schema.data), { ros2: true })));
  }
  const counts = new Map();
  let last = 0n;
  for await (const message of bag.readMessages({ validateCrcs: true })) {
    const { topic } = bag.channelsById.get(message.channelId);
    const decoded = readers.get(message.channelId).readMessage(message.data);
    if (topic.endsWith("/image_raw") && decoded.data.length !== decoded.step * decoded.height) {
      throw new Error(`${topic}: ${decoded.data.length} bytes of ${decoded.width}x${decoded.height}`);
    }
    if (message.logTime < last) {
      throw new Error(`${topic}: back in time`);
    }
    last = message.logTime;
    counts.set(topic, (counts.get(topic) ?? 0) + 1);
  }
  for (const [id, wanted] of bag.statistics.channelMessageCounts) {
    const { topic } = bag.channelsById.get(id);
    if (BigInt(counts.get(topic) ?? 0) !== wanted) {
      throw new Error(`${topic}: ${counts.get(topic)} messages of ${wanted}`);
    }
  }
  const total = [...counts.values()].reduce((a, b) => a + b, 0);
  console.log(`${path}: ${total} messages of ${counts.size} topics decoded, ${bag.chunkIndexes.length} chunks`);
  await file.close();
}
