// Attach, logs and events as a dockerode program uses them. Prints one JSON object of what it saw.
const Docker = require(process.argv[2]);
const { PassThrough } = require('stream');

const docker = new Docker({ socketPath: process.argv[3] });

function collect(stream) {
  return new Promise((done, failed) => {
    let text = '';
    stream.on('data', (piece) => { text += piece.toString(); });
    stream.on('end', () => done(text));
    stream.on('error', failed);
  });
}

async function main() {
  const seen = {};
  const events = await docker.getEvents({ filters: { event: ['die'] } });
  const died = new Promise((done) => events.once('data', (piece) => done(JSON.parse(piece.toString()))));

  const container = await docker.createContainer({
    Image: 'busybox', Cmd: ['sh', '-c', 'cat; echo err >&2'], OpenStdin: true, StdinOnce: true,
    HostConfig: { NetworkMode: 'none' },
  });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const out = new PassThrough();
  const err = new PassThrough();
  container.modem.demuxStream(stream, out, err);
  const texts = Promise.all([collect(out), collect(err)]);
  stream.on('end', () => { out.end(); err.end(); });
  await container.start();
  stream.write('typed\n');
  stream.end();
  seen.exit = (await container.wait()).StatusCode;
  [seen.out, seen.err] = await texts;
  seen.died = (await died).Actor.ID === container.id;
  events.destroy();

  const followed = await container.logs({ follow: true, stdout: true, stderr: true });
  const logs = new PassThrough();
  container.modem.demuxStream(followed, logs, logs);
  const text = collect(logs);
  followed.on('end', () => logs.end());
  seen.logs = await text;
  await container.remove();
  console.log(JSON.stringify(seen));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
