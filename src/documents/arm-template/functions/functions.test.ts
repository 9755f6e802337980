import { describe, expect, test } from "vitest";
import { evaluated } from "../testing/templates.ts";

/** Values are those of Azure's documentation wherever it gives an example. */
const examples: Readonly<Record<string, readonly (readonly [expression: string, value: unknown])[]>> = {
  texts: [
    ["concat('a', 1, true())", "a1True"],
    ["concat(createArray(1), createArray(2))", [1, 2]],
    ["format('{0}, {1}. Formatted number: {2:N0}', 'Hello', 'User', 8175133)", "Hello, User. Formatted number: 8,175,133"],
    ["format('{{{0}}} [{1,4}] {2:D3} {3:00} {4:X}', 'a', 7, 5, 6, 255)", "{a} [   7] 005 06 FF"],
    ["toLower('One Two')", "one two"],
    ["toUpper('One')", "ONE"],
    ["trim('  a ')", "a"],
    ["replace('123-123-1234', '-', '')", "1231231234"],
    ["split('one;two,three', createArray(',', ';'))", ["one", "two", "three"]],
    ["split('a,b', ',')", ["a", "b"]],
    ["join(createArray('one', 'two'), ', ')", "one, two"],
    ["substring('one two three', 4, 3)", "two"],
    ["substring('abc', 1)", "bc"],
    ["padLeft('123', 10, '0')", "0000000123"],
    ["startsWith('abcdef', 'AB')", true],
    ["endsWith('abcdef', 'e')", false],
    ["indexOf('test', 'T')", 0],
    ["lastIndexOf('abcdef', 'zz')", -1],
    ["base64('one, two, three')", "b25lLCB0d28sIHRocmVl"],
    ["base64ToString('b25lLCB0d28sIHRocmVl')", "one, two, three"],
    ['base64ToJson(base64(\'{"one": "a"}\')).one', "a"],
    ["base64ToString(base64('Grüße, 世界 🚢'))", "Grüße, 世界 🚢"],
    ["dataUri('Hello')", "data:text/plain;charset=utf8;base64,SGVsbG8="],
    ["dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')", "Hello, World!"],
    ["uri('http://contoso.org/firstpath/a.json', 'nested/b.json')", "http://contoso.org/firstpath/nested/b.json"],
    ["uriComponent('http://contoso.com/a b')", "http%3A%2F%2Fcontoso.com%2Fa%20b"],
    ["uriComponentToString('a%20b')", "a b"],
    ["string(createObject('a', createArray(1, true())))", '{"a":[1,true]}'],
    ["guid('a', 'b', 'c')", "a98fa280-e03f-5afa-8d8e-92d0a9c201e8"],
    // What a deployment returned: public tests of Azure's own library have it.
    [
      "uniqueString('/subscriptions/31e9f9a0-9fd2-4294-a0a3-0101246d9700/resourceGroups/rg-modm201-20230913120256/providers/Microsoft.Compute/virtualMachines/bobjacmodm201')",
      "yvjxno3je5on2",
    ],
  ],
  arrays: [
    ["array('a')", ["a"]],
    ["createArray()", []],
    ["first('One')", "O"],
    ["last(createArray(1, 2, 3))", 3],
    ["first(createArray())", null],
    ["indexOf(createArray('a', 'b'), 'b')", 1],
    ["indexFromEnd(createArray(1, 2, 3), 1)", 3],
    ["tryIndexFromEnd(createArray(1), 4)", null],
    ["range(5, 3)", [5, 6, 7]],
    ["skip(createArray(1, 2, 3), 2)", [3]],
    ["take('abcdef', 2)", "ab"],
    ["contains(createArray('one'), 'one')", true],
    ["contains('OneTwoThree', 'e')", true],
    ["contains(createObject('one', 1), 'ONE')", true],
    ["empty('')", true],
    ["length(createArray(1, 2))", 2],
    ["union(createArray('one', 'two', 'two'), createArray('two', 'three'))", ["one", "two", "three"]],
    ["intersection(createArray(1, 2, 3), createArray(3, 2))", [2, 3]],
    ["max(createArray(0, 3, 2))", 3],
    ["min(4, 2, 8)", 2],
  ],
  objects: [
    ['union(json(\'{"a":{"x":1},"b":[1]}\'), json(\'{"a":{"y":2},"b":[2]}\'))', { a: { x: 1, y: 2 }, b: [2] }],
    ['shallowMerge(createArray(json(\'{"a":{"x":1}}\'), json(\'{"a":{"y":2}}\')))', { a: { y: 2 } }],
    ['intersection(json(\'{"a":1,"b":2}\'), json(\'{"b":2,"c":3}\'))', { b: 2 }],
    [
      'items(json(\'{"b":1,"a":2}\'))',
      [
        { key: "a", value: 2 },
        { key: "b", value: 1 },
      ],
    ],
    ['objectKeys(json(\'{"b":1,"a":2}\'))', ["a", "b"]],
    ["tryGet(json('{\"a\":{\"b\":[7]}}'), 'a', 'b', 0)", 7],
    ["tryGet(json('{\"a\":1}'), 'x', 'y')", null],
    ["json('{\"a\":1}').A", 1],
    ["json('{\"a\":[{\"b\":1}]}').a[0]['b']", 1],
    ["null()", null],
  ],
  logic: [
    ["if(true(), 'a', div(1, 0))", "a"],
    ["and(false(), equals(div(1, 0), 1))", false],
    ["or(true(), equals(div(1, 0), 1))", true],
    ["not(bool('1'))", false],
    ["coalesce(null(), 'a', div(1, 0))", "a"],
    ["equals('a', 'A')", false],
    ['equals(json(\'{"a":1,"b":[2]}\'), json(\'{"b":[2],"a":1}\'))', true],
    ["less('a', 'b')", true],
    ["greaterOrEquals(2, 2)", true],
  ],
  numbers: [
    ["add(5, 3)", 8],
    ["div(8, 3)", 2],
    ["mod(7, 3)", 1],
    ["mul(5, 3)", 15],
    ["sub(1, 3)", -2],
    ["int('4')", 4],
    ["float('1.5')", 1.5],
  ],
  dates: [
    ["dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')", "2023-04-07 14:53:14Z"],
    ["dateTimeAdd('2020-04-07T14:53:14Z', '-P9DT1H', 'yyyy-MM-ddTHH:mm')", "2020-03-29T13:53"],
    ["dateTimeAdd('2020-01-31T00:00:00Z', 'P1M', 'd')", "02/29/2020"],
    ["dateTimeToEpoch('2020-04-07T14:53:14Z')", 1586271194],
    ["dateTimeFromEpoch(1586271194)", "2020-04-07T14:53:14Z"],
  ],
  addresses: [
    [
      "parseCidr('10.144.0.0/20')",
      {
        network: "10.144.0.0",
        netmask: "255.255.240.0",
        broadcast: "10.144.15.255",
        firstUsable: "10.144.0.1",
        lastUsable: "10.144.15.254",
        cidr: 20,
      },
    ],
    ["parseCidr('fdad:3236:5555::/48').lastUsable", "fdad:3236:5555:ffff:ffff:ffff:ffff:ffff"],
    ["cidrSubnet('10.144.0.0/20', 24, 1)", "10.144.1.0/24"],
    ["cidrSubnet('fdad:3236:5555::/48', 52, 1)", "fdad:3236:5555:1000::/52"],
    ["cidrHost('10.144.3.0/24', 0)", "10.144.3.1"],
  ],
  lambdas: [
    ["map(range(0, 3), lambda('i', mul(lambdaVariables('i'), 2)))", [0, 2, 4]],
    ["map(createArray('a', 'b'), lambda('x', 'n', format('{0}{1}', lambdaVariables('x'), lambdaVariables('n'))))", ["a0", "b1"]],
    ["filter(range(0, 5), lambda('i', less(2, lambdaVariables('i'))))", [3, 4]],
    ["sort(createArray(3, 1, 2), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))", [1, 2, 3]],
    ["reduce(range(1, 4), 0, lambda('sum', 'next', add(lambdaVariables('sum'), lambdaVariables('next'))))", 10],
    ["groupBy(createArray('ab', 'b', 'ac'), lambda('x', first(lambdaVariables('x'))))", { a: ["ab", "ac"], b: ["b"] }],
    ["toObject(createArray('a', 'b'), lambda('x', lambdaVariables('x')), lambda('x', toUpper(lambdaVariables('x'))))", { a: "A", b: "B" }],
    ["mapValues(json('{\"a\":1}'), lambda('x', add(lambdaVariables('x'), 1)))", { a: 2 }],
  ],
  deployment: [
    ["resourceGroup().location", "northeurope"],
    ["subscription().subscriptionId", "11111111-1111-1111-1111-111111111111"],
    ["environment().suffixes.storage", "core.windows.net"],
    ["deployment().name", "main"],
    [
      "resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')",
      "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
    ],
    [
      "resourceId('other', 'Microsoft.Network/virtualNetworks', 'v')",
      "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/other/providers/Microsoft.Network/virtualNetworks/v",
    ],
    [
      "resourceId('22222222-2222-2222-2222-222222222222', 'other', 'Microsoft.Network/virtualNetworks', 'v')",
      "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/other/providers/Microsoft.Network/virtualNetworks/v",
    ],
    [
      "subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'x')",
      "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleDefinitions/x",
    ],
    ["tenantResourceId('Microsoft.Authorization/policyDefinitions', 'x')", "/providers/Microsoft.Authorization/policyDefinitions/x"],
    [
      "extensionResourceId('/subscriptions/s', 'Microsoft.Authorization/locks', 'l')",
      "/subscriptions/s/providers/Microsoft.Authorization/locks/l",
    ],
  ],
  "values that only Azure knows": [
    ["listKeys('x', '2020-01-01').keys[0].value", null],
    ["concat('a', reference('/subscriptions/s/resourceGroups/r/providers/Microsoft.Network/publicIPAddresses/p').ipAddress)", null],
    ["and(false(), equals(listKeys('x'), 'y'))", false],
    ["if(true(), 'a', listKeys('x'))", "a"],
    ["length(createArray(listKeys('x'), 1))", 2],
    ["pickZones('Microsoft.Network', 'publicIPAddresses', 'westeurope')[0]", null],
  ],
  syntax: [
    ["concat ( 'it''s' , \n 'fine' )", "it'sfine"],
    ["createObject('a-b', 1)['a-b']", 1],
    ["PARAMETERS('GIVEN')", "given"],
  ],
};

describe.each(Object.entries(examples))("%s", (_, list) => {
  test.each(list)("%s", (expression, value) => {
    const { problems, outputs } = evaluated(`[${expression}]`);
    expect(problems).toEqual([]);
    expect(outputs.result).toEqual(value);
  });
});

describe("text that is no expression stays as it is", () => {
  test.each([
    ["plain", "plain"],
    ["[[escaped]", "[escaped]"],
    ["[open", "[open"],
    ["a [b]", "a [b]"],
  ])("%s", (text, value) => {
    expect(evaluated(text).outputs.result).toBe(value);
  });
});

describe("what cannot be evaluated says why", () => {
  test.each([
    ["conct('a')", "there is no function conct", "did you mean concat?"],
    ["parameters('giveN2')", "the template parameter 'giveN2' is not found", "did you mean given?"],
    ["variables('none')", "the template variable 'none' is not found", undefined],
    ["concat('a'", '")" is wanted; the expression has ended there', undefined],
    ["concat('a)", "a text has no closing quote", undefined],
    ["true", "true is not followed by parentheses", "write true()"],
    ["a + b", 'expressions know no "+"', undefined],
    ["json('{\"abc\":1}').abd", "there is no property 'abd'; there are abc", "did you mean abc?"],
    ["createArray(1)[1]", "the array has 1 items, and none with index '1'", undefined],
    ["add('x', 1)", 'add(): argument 1 is to be an integer; it is string "x"', undefined],
    ["add(1)", "add() takes 2 arguments; 1 are given", undefined],
    ["div(1, 0)", "div(): the divisor is 0", undefined],
    [
      "resourceId('Microsoft.Network/virtualNetworks/subnets', 'v')",
      "Microsoft.Network/virtualNetworks/subnets takes 2 names; 1 are given",
      undefined,
    ],
    ["utcNow()", "stands only in default values of parameters", undefined],
    ["copyIndex()", "stands in no copy loop", undefined],
    ["lambda('x', 1)", "lambda() stands only within map()", undefined],
    ["fail('no such option')", "the template says: no such option", undefined],
    ["substring('abc', 2, 5)", "5 characters from 2 on are not within the 3", undefined],
    ["ns.function()", "the template defines no function ns.function", undefined],
    ["cidrSubnet('10.0.0.0/24', 26, 4)", "10.0.0.0/24 has 4 prefixes of length 26; there is none with index 4", undefined],
    ["json('{')", "json(): the text is no JSON", undefined],
    ["format('{1}', 'a')", "format(): {1} names argument 3, and there are 2", undefined],
  ])("%s", (expression, message, fix) => {
    const { problems } = evaluated(`[${expression}]`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ code: "InvalidTemplate", path: "outputs.result.value", line: 7 });
    expect(problems[0]?.message).toContain(message);
    if (fix !== undefined) expect(problems[0]?.fix).toContain(fix);
  });
});
