package org.finetune4j.generate.grammar;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is said by {@code allOf}, and beside {@code $ref} and {@code anyOf}, holds at once. */
class SchemaConjunctionTest {

    private static AnswerGrammar of(String schema) {
        return AnswerGrammar.jsonSchema(schema.replace('\'', '"'));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '`',
            value = {
                "{'allOf': [{'$ref': '#/$defs/n'}], 'title': 'as pydantic writes it', '$defs': {'n': {'type': 'null'}}}; null; 1",
                "{'allOf': [{'type': 'string', 'minLength': 2}, {'maxLength': 3}]}; 'ab'; 'a'",
                "{'allOf': [{'type': 'string', 'minLength': 2}, {'minLength': 3}]}; 'abc'; 'ab'",
                "{'allOf': [{'type': ['integer', 'string']}, {'type': ['number', 'null']}]}; 1; 1.5",
                "{'allOf': [{'enum': [1, 2, 3]}, {'enum': [3, 4, 2]}]}; 3; 1",
                "{'allOf': [{'const': 1}, {'type': 'integer'}]}; 1; 2",
                "{'allOf': [{'type': 'integer', 'minimum': 3}, {'maximum': 5}, {'exclusiveMaximum': 5}]}; 4; 5",
                "{'allOf': [{'properties': {'a': {'type': 'null'}}, 'required': ['a']}, {'properties': {'b': {'type': 'null'}}, 'required': ['b']}]}; {'a':null,'b':null}; {'a':null}",
                "{'allOf': [{'properties': {'a': {'type': 'string'}}}, {'properties': {'a': {'maxLength': 1}}}], 'required': ['a']}; {'a':'x'}; {'a':'xy'}",
                "{'allOf': [{'properties': {'a': {}}, 'additionalProperties': false}, {'properties': {'a': {}, 'b': {}}}]}; {'a':1}; {'a':1,'b':2}",
                "{'allOf': [{'properties': {'a': {}}, 'additionalProperties': {'type': 'null'}}, {'properties': {'b': {}}}]}; {'a':1,'b':null}; {'a':1,'b':2}",
                "{'allOf': [{'type': 'array', 'items': {'type': 'string'}}, {'items': {'maxLength': 1}, 'minItems': 1}]}; ['x']; ['xy']",
                "{'allOf': [{'type': 'array', 'items': {'type': 'string'}}, {'prefixItems': [{}, {'maxLength': 1}]}]}; ['xy','x','xy']; [1]",
                "{'allOf': [{'type': 'array', 'items': {'type': 'string'}}, {'prefixItems': [{}, {'maxLength': 1}]}]}; ['xy']; ['xy','xy']",
                "{'allOf': [{'type': 'array', 'items': false, 'prefixItems': [{}]}, {'prefixItems': [{}, {}], 'items': {}}]}; [1]; [1,2]",
                "{'allOf': [{'anyOf': [{'type': 'string'}, {'type': 'null'}]}, {'anyOf': [{'type': 'null'}, {'type': 'boolean'}]}]}; null; true",
                "{'anyOf': [{'type': 'string'}, {'type': 'null'}], 'maxLength': 1}; 'x'; 'xy'",
                "{'type': 'object', 'properties': {'a': {}, 'b': {}}, 'anyOf': [{'required': ['a']}, {'required': ['b']}]}; {'b':1}; {}",
                "{'$ref': '#/$defs/s', 'maxLength': 2, '$defs': {'s': {'type': 'string', 'minLength': 1}}}; 'xy'; 'xyz'",
                "{'allOf': [true, {'type': 'null'}]}; null; 1",
                "{'anyOf': [{'type': 'integer'}, {'type': 'string'}], 'type': 'string'}; 'x'; 1"
            })
    void allOfItHolds(String schema, String right, String wrong) {
        assertTrue(AnswerGrammarTest.accepts(of(schema), right.replace('\'', '"')), right);
        assertFalse(AnswerGrammarTest.accepts(of(schema), wrong.replace('\'', '"')), wrong);
    }

    @Test
    void whatContainsItselfIsReadOnce() {
        AnswerGrammar tree = of("""
                {'$ref': '#/$defs/node', '$defs': {'base': {'properties': {'id': {'type': 'integer'}}, 'required': ['id']},
                 'node': {'allOf': [{'$ref': '#/$defs/base'}], 'properties': {'next': {'$ref': '#/$defs/node'}}}}}""");
        assertTrue(AnswerGrammarTest.accepts(tree, "{\"id\":1,\"next\":{\"id\":2,\"next\":{\"id\":3}}}"));
        assertFalse(AnswerGrammarTest.accepts(tree, "{\"id\":1,\"next\":{}}"));
        AnswerGrammar both = of("""
                {'allOf': [{'$ref': '#/$defs/a'}, {'$ref': '#/$defs/b'}], '$defs': {
                 'a': {'properties': {'x': {'$ref': '#/$defs/a'}, 'n': {'type': 'integer'}}},
                 'b': {'properties': {'x': {'$ref': '#/$defs/b'}, 'n': {'minimum': 3}}}}}""");
        assertTrue(AnswerGrammarTest.accepts(both, "{\"x\":{\"x\":{\"n\":3}}}"));
        assertFalse(AnswerGrammarTest.accepts(both, "{\"x\":{\"x\":{\"n\":2}}}"));
    }

    /** Twenty alternatives of two, all of which hold: a million that would have to be read. */
    @Test
    void whatGrowsWithoutBoundIsRefused() {
        StringBuilder all = new StringBuilder();
        for (int i = 0; i < 20; i++) {
            all.append(i == 0 ? "" : ",")
                    .append("{\"anyOf\":[{\"minLength\":")
                    .append(i)
                    .append("},{\"maxLength\":")
                    .append(100 + i)
                    .append("}]}");
        }
        UserErrorException refused = assertThrows(
                UserErrorException.class,
                () -> AnswerGrammar.jsonSchema(Json.parse("{\"allOf\":[" + all + "]}", "schema")));
        assertTrue(String.valueOf(refused.getMessage()).contains("too large a schema"), refused.getMessage());
    }
}
