package org.finetune4j.dist.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class MeshShapeTest {

    static Stream<MeshShape> shapes() {
        List<MeshShape> shapes = new ArrayList<>();
        for (int data : new int[] {1, 2, 3, 4}) {
            for (int pipeline = 1; pipeline <= 3; pipeline++) {
                for (int tensor = 1; tensor <= 3; tensor++) {
                    for (int expert = 1; expert <= data; expert++) {
                        if (data % expert == 0) {
                            shapes.add(new MeshShape(data, pipeline, tensor, expert));
                        }
                    }
                }
            }
        }
        return shapes.stream();
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void everyRankIsInExactlyOneGroupOfAKind(MeshShape shape) {
        for (MeshGroup group : MeshGroup.values()) {
            List<Integer> seen = IntStream.range(0, shape.ranks())
                    .filter(rank -> shape.color(group, rank) == rank)
                    .boxed()
                    .flatMap(color -> shape.members(group, color).stream())
                    .sorted()
                    .toList();
            assertEquals(IntStream.range(0, shape.ranks()).boxed().toList(), seen, group.toString());
        }
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void aGroupHasTheSizeOfItsAxisAndTwoAxesMeetInOneRank(MeshShape shape) {
        for (int rank = 0; rank < shape.ranks(); rank++) {
            assertEquals(shape.data(), shape.members(MeshGroup.DATA, rank).size());
            assertEquals(
                    shape.pipeline(), shape.members(MeshGroup.PIPELINE, rank).size());
            assertEquals(shape.tensor(), shape.members(MeshGroup.TENSOR, rank).size());
            assertEquals(shape.expert(), shape.members(MeshGroup.EXPERT, rank).size());
            assertEquals(
                    shape.data() / shape.expert(),
                    shape.members(MeshGroup.EXPERT_DATA, rank).size());
            assertEquals(
                    shape.pipeline() * shape.tensor(),
                    shape.members(MeshGroup.MODEL, rank).size());
            for (List<MeshGroup> pair : List.of(
                    List.of(MeshGroup.DATA, MeshGroup.PIPELINE),
                    List.of(MeshGroup.DATA, MeshGroup.TENSOR),
                    List.of(MeshGroup.PIPELINE, MeshGroup.TENSOR),
                    List.of(MeshGroup.EXPERT, MeshGroup.EXPERT_DATA),
                    List.of(MeshGroup.DATA, MeshGroup.MODEL))) {
                TreeSet<Integer> common = new TreeSet<>(shape.members(pair.get(0), rank));
                common.retainAll(shape.members(pair.get(1), rank));
                assertEquals(List.of(rank), List.copyOf(common), pair.toString());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void placesAndNumbersOfRanksGoBothWays(MeshShape shape) {
        for (int rank = 0; rank < shape.ranks(); rank++) {
            assertEquals(rank, shape.rank(shape.dataIndex(rank), shape.stage(rank), shape.tensorIndex(rank)));
            List<Integer> stages = shape.members(MeshGroup.PIPELINE, rank);
            assertEquals(rank, stages.get(shape.stage(rank)));
            assertEquals(rank, shape.members(MeshGroup.TENSOR, rank).get(shape.tensorIndex(rank)));
            assertEquals(rank, shape.members(MeshGroup.DATA, rank).get(shape.dataIndex(rank)));
            assertEquals(rank, shape.members(MeshGroup.EXPERT, rank).get(shape.expertIndex(rank)));
        }
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void whatIsWrittenIsReadAgain(MeshShape shape) {
        assertEquals(shape, MeshShape.parse(shape.toString(), shape.ranks()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "dp=2,tp=2,pp=1 | 4 | 2 | 1 | 2 | 1",
                "tp=2 | 8 | 4 | 1 | 2 | 1",
                " pp = 2 , tp=2 | 8 | 2 | 2 | 2 | 1",
                "ep=2 | 4 | 4 | 1 | 1 | 2",
                "dp=2,ep=2 | 4 | 4 | 1 | 1 | 2",
                "dp=2,ep=2,tp=2 | 4 | 2 | 1 | 2 | 2",
                "dp=1024 | 1024 | 1024 | 1 | 1 | 1"
            })
    void sizesThatAreLeftOutAreOneAndTheDataAxisFollows(
            String text, int world, int data, int pipeline, int tensor, int expert) {
        assertEquals(new MeshShape(data, pipeline, tensor, expert), MeshShape.parse(text, world));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                ",",
                "dp",
                "dp=",
                "dp=0",
                "dp=-1",
                "dp=2.0",
                "dp=two",
                "=2",
                "dp=2,,tp=1",
                "dp=1,dp=1",
                "xp=2",
                "dp=99999999999",
                "dp=2147483647,tp=2147483647,pp=2147483647",
                "tp=2147483647,pp=2147483647",
                "pp=3",
                "dp=3",
                "ep=3",
                "dp=4,ep=3"
            })
    void aMeshThatIsNoneOrDoesNotFitIsOneLine(String text) {
        UserErrorException error = assertThrows(UserErrorException.class, () -> MeshShape.parse(text, 4));
        assertTrue(error.getMessage().startsWith("mesh "), error.getMessage());
        assertFalse(error.getMessage().contains("\n"), error.getMessage());
        assertTrue(error.getMessage().length() < 500, error.getMessage());
    }

    @Test
    void sizesThatWouldFitAreNamed() {
        UserErrorException error = assertThrows(UserErrorException.class, () -> MeshShape.parse("dp=2,tp=2,pp=2", 4));
        assertTrue(error.getMessage().contains("has 8 ranks, but there are 4"), error.getMessage());
        assertTrue(error.getMessage().contains("dp=1,pp=2,tp=2"), error.getMessage());
        error = assertThrows(UserErrorException.class, () -> MeshShape.parse("tp=3", 4));
        assertTrue(error.getMessage().contains("takes a multiple of 3 ranks, but there are 4"), error.getMessage());
        error = assertThrows(UserErrorException.class, () -> MeshShape.parse("tq=2", 4));
        assertTrue(error.getMessage().endsWith("did you mean 'tp'?"), error.getMessage());
    }

    @Test
    @DisplayName("what is no mesh cannot be made")
    void impossibleSizesAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new MeshShape(0, 1, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new MeshShape(3, 1, 1, 2));
        assertThrows(IndexOutOfBoundsException.class, () -> MeshShape.SINGLE.stage(1));
    }
}
