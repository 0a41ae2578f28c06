package org.finetune4j.generate.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Collections;
import java.util.Random;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A schema allows what it describes, and refuses by its place what it would have to do and does not. */
class JsonSchemaReaderTest {

    private static final String PERSON = """
            {"type": "object", "title": "Person",
             "properties": {
               "name": {"type": "string", "minLength": 1, "maxLength": 20},
               "age": {"type": "integer"},
               "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 3},
               "boss": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
             "required": ["name", "boss"], "additionalProperties": false}""";

    private static AnswerGrammar of(String schema) {
        return AnswerGrammar.jsonSchema(schema.replace('\'', '"'));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '`',
            value = {
                "{'type': 'integer'}; -12; 1.5",
                "{'type': 'integer'}; 0; 00",
                "{'type': 'number'}; -1.5e+9; 1e",
                "{'type': ['string', 'null']}; null; 1",
                "{'type': 'boolean'}; false; 0",
                "{'const': {'a': [1, 'x']}}; {'a':[1,'x']}; {'a':[1]}",
                "{'enum': ['red', 2, null]}; 2; 3",
                "{'enum': ['red', 2], 'type': 'string'}; 'red'; 2",
                "{'type': 'string', 'minLength': 2, 'maxLength': 3}; 'a\u6771'; 'a'",
                "{'type': 'string', 'minLength': 2, 'maxLength': 3}; '\uD83E\uDD8Ab\u00e9'; 'abcd'",
                "{'type': 'array', 'items': {'type': 'integer'}, 'minItems': 2}; [1, 2,3]; [1]",
                "{'type': 'array', 'maxItems': 0}; [ ]; [1]",
                "{'type': 'array'}; [1, 'a', {}]; [1 2]",
                "{'items': {'type': 'null'}}; [null]; [1]",
                "{'type': 'object', 'additionalProperties': {'type': 'integer'}}; {'x': 1, 'y':2}; {'x': 'a'}",
                "{'type': 'object', 'additionalProperties': false}; {}; {'x': 1}",
                "{'type': 'object', 'required': ['a']}; {'a': [true]}; {}",
                "{'properties': {'a': {}, 'b': {}, 'c': {}}, 'required': ['b']}; {'b': 1, 'c': 2}; {'a': 1}",
                "{'properties': {'a': {}, 'b': {}, 'c': {}}, 'required': ['b']}; {'a': 1, 'b': 2}; {'a': 1,}",
                "{'properties': {'a': {}, 'b': {}}}; {}; {,}",
                "{'properties': {'a': {}, 'b': {}}}; {'b': 1}; {'b': 1, 'a': 2}",
                "{'oneOf': [{'type': 'integer'}, {'type': 'string'}], 'description': 'one of both'}; 'x'; true",
                "{'$ref': '#/$defs/n', '$defs': {'n': {'type': 'array', 'items': {'$ref': '#/$defs/n'}}}}; [[], [[]]]; [1]",
                "{'minLength': 3}; 'abc'; 'ab'",
                "{'minItems': 1}; [null]; []",
                "{'minimum': 3}; 3.5; 2",
                "{'properties': {'\\u0001\\\\\\'': {}}}; {'\\u0001\\\\\\'':1}; {'u':1}",
                "{'const': {'a': [1, {}]}}; { 'a' : [ 1, { } ] }; {'a':[1,{},{}]}",
                "{'const': '\\ud800'}; '\\ud800'; '?'",
                "{'$ref': '#/$defs/a%20b', '$defs': {'a b': {'type': 'null'}}}; null; 1",
                "{'anyOf': [{'$ref': '#/$defs/n'}, {'type': 'null'}], '$defs': {'n': {'type': 'array', 'items': {'$ref': '#/$defs/n'}, 'minItems': 1}}}; null; [",
                "{'type': 'array', 'prefixItems': [{'type': 'integer'}, {'type': 'null'}], 'items': false}; [1,null]; [1,null,2]",
                "{'type': 'array', 'prefixItems': [{'type': 'integer'}], 'items': {'type': 'null'}, 'minItems': 2}; [1,null,null]; [1]",
                "{'type': 'array', 'prefixItems': [{'type': 'integer'}]}; []; [null]",
                "{'type': 'array', 'uniqueItems': false}; [1,1]; 1",
                "true; {'any': ['thing']}; {"
            })
    void whatItDescribesIsAllowedAndNothingElse(String schema, String right, String wrong) {
        assertTrue(AnswerGrammarTest.accepts(of(schema), right.replace('\'', '"')), right);
        assertFalse(AnswerGrammarTest.accepts(of(schema), wrong.replace('\'', '"')), wrong);
    }

    @RepeatedTest(50)
    void whateverGoesThroughItIsAsItDescribes(RepetitionInfo run) {
        String text = AnswerGrammarTest.randomAnswer(of(PERSON), new Random(run.getCurrentRepetition()));
        for (JsonNode person = Json.parse(text, "answer"); !person.isNull(); person = person.path("boss")) {
            int name = person.path("name")
                    .textValue()
                    .codePointCount(0, person.path("name").textValue().length());
            assertTrue(name >= 1 && name <= 20, text);
            assertTrue(person.path("age").isMissingNode() || person.path("age").isIntegralNumber(), text);
            JsonNode tags = person.path("tags");
            assertTrue(tags.isMissingNode() || (tags.size() >= 1 && tags.size() <= 3), text);
            tags.forEach(tag -> assertTrue(tag.asText().matches("[ab]"), text));
            assertTrue(person.has("boss"), text);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '`',
            value = {
                "{'type': 'strin'}; #: type strin, expected one of",
                "{'type': 'object', 'minProperties': 1}; 'minProperties' is not implemented",
                "{'type': 'array', 'uniqueItems': true}; 'uniqueItems' is not implemented",
                "{'properties': {'a': {'itens': {}}}}; #/properties/a: 'itens' is not implemented: leave it out",
                "{'not': {}}; 'not' is not implemented",
                "{'allOf': []}; #/allOf: expected a list of schemas",
                "{'allOf': [{'type': 'string'}, {'type': 'integer'}]}; nothing is as all of it says",
                "{'allOf': [{'$ref': '#'}]}; it contains itself without an end",
                "{'allOf': [{'$ref': '#'}, {'type': 'string'}]}; '$ref' to # leads back to itself",
                "{'allOf': [{'pattern': 'a'}, {'pattern': 'b'}]}; two 'pattern' that hold at once are not implemented",
                "{'allOf': [{'properties': {'a': {'not': {}}}}]}; #/allOf/0/properties/a: 'not' is not implemented",
                "{'enum': ['a', 'bcd'], 'minLength': 2}; 'minLength' beside 'enum' or 'const' is not implemented",
                "{'const': 5, 'type': 'string'}; no value of 'enum' or 'const' is of the type [string]",
                "{'type': 'object', 'required': [1]}; 'required' is [1]",
                "{'type': 'object', 'additionalProperties': 'no'}; #/additionalProperties: expected a schema",
                "{'type': 'object', 'properties': {'a': {'$ref': '#'}}, 'required': ['a']}; it contains itself without an end",
                "{'$ref': '#'}; it contains itself without an end",
                "{'type': 'array', 'items': false, 'minItems': 1}; 'minItems' is 1, of which 'items' allows 0",
                "{'type': 'string', 'pattern': '(a'}; 'pattern' is (a, which is not implemented: missing ) at position 2",
                "{'type': 'string', 'pattern': '^(?=a)'}; look-around and flags are not implemented",
                "{'type': 'string', 'pattern': '^a{3}$', 'maxLength': 2}; no text has the 'pattern'",
                "{'type': 'integer', 'minimum': '3'}; 'minimum' is '3', expected a number",
                "{'type': 'integer', 'exclusiveMinimum': true}; 'exclusiveMinimum' is true, expected a number",
                "{'type': 'integer', 'minimum': 3, 'maximum': 2}; no number of up to 18 digits is in them",
                "{'type': 'integer', 'minimum': 0.2, 'maximum': 0.8}; no number of up to 18 digits is in them",
                "{'type': 'number', 'multipleOf': 0}; 'multipleOf' is 0, expected more than 0",
                "{'type': 'integer', 'multipleOf': 99991}; it would take more than 20000 states to tell",
                "{'anyOf': []}; #/anyOf: expected a list of schemas",
                "{'enum': []}; 'enum' is []",
                "{'enum': [1], 'type': 'string'}; no value of 'enum'",
                "{'type': 'array', 'minItems': 3, 'maxItems': 2}; 'minItems' is 3, more than 'maxItems'",
                "{'type': 'string', 'maxLength': -1}; 'maxLength' is -1, expected a whole number",
                "{'type': 'string', 'maxLength': 1e9}; 'maxLength' is",
                "{'$ref': '#/$defs/x', '$defs': {'y': {}}}; '$ref' is #/$defs/x, which is not there",
                "{'$ref': 'http://example.com/x'}; expected a place in this schema",
                "{'type': 'object', 'required': 'a'}; 'required' is",
                "{'type': 'object', 'properties': []}; 'properties' is []",
                "{'type': 'object', 'properties': {'ab': {}}, 'required': ['a'], 'additionalProperties': false}; 'required' names 'a'",
                "[]; expected a schema, an object, not []",
                "false; expected a schema"
            })
    void whatItWouldHaveToDoAndDoesNotIsRefusedByItsPlace(String schema, String reason) {
        String message = String.valueOf(
                assertThrows(UserErrorException.class, () -> of(schema)).getMessage());
        assertTrue(message.replace('"', '\'').contains(reason), message);
        assertEquals(1, message.lines().count());
    }

    /** As pydantic 2 writes a model with constraints, a tuple, a union and a base class. */
    @Test
    void whatPydanticWritesIsRead() {
        AnswerGrammar order = of("""
                {'$defs': {'Size': {'enum': ['S', 'M'], 'title': 'Size', 'type': 'string'},
                  'Card': {'properties': {'kind': {'const': 'card', 'title': 'Kind', 'type': 'string'},
                    'number': {'pattern': '^\\\\d{4}-\\\\d{4}$', 'title': 'Number', 'type': 'string'}},
                   'required': ['kind', 'number'], 'title': 'Card', 'type': 'object'},
                  'Cash': {'properties': {'kind': {'const': 'cash', 'title': 'Kind', 'type': 'string'}},
                   'required': ['kind'], 'title': 'Cash', 'type': 'object'}},
                 'properties': {'id': {'format': 'uuid', 'title': 'Id', 'type': 'string'},
                  'count': {'exclusiveMinimum': 0, 'maximum': 100, 'title': 'Count', 'type': 'integer'},
                  'price': {'anyOf': [{'minimum': 0.0, 'type': 'number'}, {'type': 'null'}], 'default': null},
                  'size': {'allOf': [{'$ref': '#/$defs/Size'}], 'default': 'M'},
                  'at': {'maxItems': 2, 'minItems': 2, 'prefixItems': [{'type': 'number'}, {'type': 'number'}], 'type': 'array'},
                  'day': {'format': 'date', 'type': 'string'},
                  'paid': {'discriminator': {'mapping': {'card': '#/$defs/Card', 'cash': '#/$defs/Cash'}, 'propertyName': 'kind'},
                   'oneOf': [{'$ref': '#/$defs/Card'}, {'$ref': '#/$defs/Cash'}], 'title': 'Paid'}},
                 'required': ['id', 'count', 'at', 'day', 'paid'], 'title': 'Order', 'type': 'object'}""");
        String right = "{'id':'123e4567-e89b-12d3-a456-426614174000','count':100,'price':9.5,'size':'S','at':[1.5,-2],"
                + "'day':'2024-02-29','paid':{'kind':'card','number':'1234-5678'}}";
        assertTrue(AnswerGrammarTest.accepts(order, right.replace('\'', '"')));
        for (String[] wrong : new String[][] {
            {"100", "101"},
            {"9.5", "-9.5"},
            {"'S'", "'L'"},
            {"[1.5,-2]", "[1.5]"},
            {"02-29", "02-30"},
            {"1234-", "123-"}
        }) {
            assertFalse(
                    AnswerGrammarTest.accepts(
                            order, right.replace(wrong[0], wrong[1]).replace('\'', '"')),
                    wrong[1]);
        }
    }

    /** A cycle that reads nothing, and alternatives that never differ: neither takes for ever. */
    @Test
    void hostileSchemasEnd() {
        AnswerGrammar cycle = of("{'anyOf': [{'$ref': '#'}, {'type': 'null'}]}");
        assertTrue(AnswerGrammarTest.accepts(cycle, "null"));
        AnswerGrammar same = of(
                "{'anyOf': [{'type': 'array', 'items': {'$ref': '#'}}, {'type': 'array', 'items': {'$ref': '#'}, 'title': 'x'}]}");
        assertTrue(AnswerGrammarTest.accepts(
                of("{'anyOf': [{'type': 'array', 'items': {'$ref': '#'}}, {'type': 'array', 'items': {'$ref': '#'}}]}"),
                "[".repeat(30) + "]".repeat(30)));
        assertThrows(UserErrorException.class, () -> AnswerGrammarTest.read(same, "[".repeat(30)));
        StringBuilder chain = new StringBuilder();
        for (int i = 0; i < 1000; i++) {
            chain.append(String.format("'n%d': {'anyOf': [{'$ref': '#/$defs/n%d'}, {'type': 'null'}]}, ", i, i + 1));
        }
        assertTrue(AnswerGrammarTest.accepts(
                of("{'$ref': '#/$defs/n0', '$defs': {" + chain + "'n1000': {'type': 'boolean'}}}"), "true"));
        String many = String.join(",", Collections.nCopies(30_000, "'a'"));
        assertThrows(UserErrorException.class, () -> of("{'const': [" + many + "]}"));
        assertThrows(UserErrorException.class, () -> of("{'required': [" + many + "]}"));
        String deep = "{\"items\":".repeat(300) + "{}" + "}".repeat(300);
        assertThrows(UserErrorException.class, () -> AnswerGrammar.jsonSchema(deep));
    }
}
