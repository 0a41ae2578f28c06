package org.finetune4j.spark;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.core.importer.Location;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import org.finetune4j.House;

/** The module knows what the table of CONTRIBUTING.md lets it know. */
@AnalyzeClasses(packages = "org.finetune4j.spark", importOptions = SparkArrowsTest.MainClasses.class)
class SparkArrowsTest {

    /** Tests may use everything. */
    static final class MainClasses implements ImportOption {
        @Override
        public boolean includes(Location location) {
            return !location.contains("/test-classes/") && !location.contains("-test/");
        }
    }

    @ArchTest
    static final ArchRule everyRoomUsesWhatTheTableSays = House.rule();
}
