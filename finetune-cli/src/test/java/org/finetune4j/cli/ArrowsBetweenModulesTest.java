package org.finetune4j.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.core.importer.Location;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTag;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import org.finetune4j.House;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.FineTuningMethod;

/** Every module knows what the table of CONTRIBUTING.md lets it know, and the native bindings stay where they are. */
@ArchTag("slow")
@AnalyzeClasses(
        packages = "org.finetune4j",
        importOptions = {DoNotIncludeTests.class, ArrowsBetweenModulesTest.DoNotIncludeTestJars.class})
class ArrowsBetweenModulesTest {

    /** The contract tests that modules lend each other. */
    static final class DoNotIncludeTestJars implements ImportOption {
        @Override
        public boolean includes(Location location) {
            return !location.contains("-tests.jar") && !location.contains("-test/");
        }
    }

    @ArchTest
    static final ArchRule everyRoomUsesWhatTheTableSays = House.rule();

    @ArchTest
    static final ArchRule packagesFormNoCycle =
            slices().matching("org.finetune4j.(**)").should().beFreeOfCycles();

    /** The three words of docs/design.md: a method is a name, a strategy a method with its settings, an adapter what it adds. */
    @ArchTest
    static final ArchRule methodsAreCalledSo =
            classes().that().areAssignableTo(FineTuningMethod.class).should().haveNameMatching(".*Method");

    @ArchTest
    static final ArchRule adaptersAreCalledSo =
            classes().that().areAssignableTo(Adapter.class).should().haveNameMatching(".*Adapter");

    /** Tensors in the core; the CUDA driver and compiler in one package of the quantisation, NCCL in one of the distribution. */
    @ArchTest
    static final ArchRule nativeBindingsStayInThreePackages = noClasses()
            .that()
            .resideOutsideOfPackages(
                    "org.finetune4j.tensor", "org.finetune4j.quant.cuda", "org.finetune4j.dist.communicator.nccl")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("org.bytedeco..", "ai.djl.ndarray..", "ai.djl.engine..", "ai.djl.pytorch..");

    /** Only service loading reaches the kernels of GPUs: nothing loads CUDA on a machine that has none. */
    @ArchTest
    static final ArchRule nobodyNamesTheKernelsOfGpus = noClasses()
            .that()
            .resideOutsideOfPackages("org.finetune4j.quant.cuda", "org.finetune4j.dist.communicator.nccl")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("org.finetune4j.quant.cuda", "org.bytedeco.cuda..");

    /** YAML, which is read by the same library, and what DuckDB writes, where NaN is a number, are the exceptions. */
    @ArchTest
    static final ArchRule jsonIsReadAndWrittenInOneWay = noClasses()
            .that()
            .doNotHaveFullyQualifiedName("org.finetune4j.Json")
            .and()
            .doNotHaveFullyQualifiedName("org.finetune4j.data.QueryRows")
            .and()
            .resideOutsideOfPackage("org.finetune4j.cli")
            .should()
            .dependOnClassesThat()
            .haveFullyQualifiedName("com.fasterxml.jackson.databind.ObjectMapper");

    @ArchTest
    static final ArchRule commandsReadYamlInOneWay = noClasses()
            .that()
            .resideInAPackage("org.finetune4j.cli..")
            .and()
            .doNotHaveFullyQualifiedName("org.finetune4j.cli.TrainingConfig")
            .should()
            .callConstructor(ObjectMapper.class);
}
