// One process of a fleet with circuitbreaker-lambda: `circuit_member.cjs STORE`, with the same commands as `member.py`.
// The package and the AWS SDK that it needs are found by NODE_PATH.
'use strict';
const readline = require('node:readline');
const AWS = require('aws-sdk');

// Standard output is for the answers alone. The package logs there.
console.log = () => {};
AWS.config.update({ region: process.env.AWS_REGION, dynamodb: { endpoint: process.env.AWS_ENDPOINT_URL_DYNAMODB } });
process.env.CIRCUITBREAKER_TABLE = new URL(process.argv[2]).host;

const say = (step, outcome) => process.stdout.write(`${JSON.stringify({ step, ...outcome })}\n`);
const sleep = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

let work;
// The package reads the name of its record when it is loaded: that of the function.
function makeCircuit(name, failures, seconds, successes) {
  process.env.AWS_LAMBDA_FUNCTION_NAME = name;
  delete require.cache[require.resolve('circuitbreaker-lambda')];
  const CircuitBreaker = require('circuitbreaker-lambda');
  const options = { failureThreshold: Number(failures), successThreshold: Number(successes), timeout: Number(seconds) * 1000 };
  return new CircuitBreaker(() => work(), options);
}

async function call(circuit, outcome, milliseconds) {
  let reached = false;
  work = async () => {
    reached = true;
    say('reached');
    await sleep(Number(milliseconds));
    if (outcome === 'fail') throw new Error('broken');
  };
  // A refusal is an error. A failure of the work is an answer.
  await circuit.fire().catch(() => {});
  return reached;
}

(async () => {
  let circuit;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, ...words] = line.split(' ');
    if (command === 'circuit') {
      circuit = makeCircuit(...words);
      say('circuit');
    } else {
      const [at, outcome, milliseconds] = words;
      await sleep(Math.max(0, Number(at) - Date.now()));
      say('call', { reached: await call(circuit, outcome, milliseconds) });
    }
  }
})();
